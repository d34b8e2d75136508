//! What the formatter makes of a text, written out.

#![allow(clippy::expect_used, reason = "a test that fails panics, and says why")]

use meshc_dsl::FileId;
use meshc_dsl::format::format;

#[track_caller]
fn becomes(text: &str, wanted: &str) {
    let formatted = format(FileId(0), text).expect("it parses");
    assert_eq!(formatted, wanted);
    assert_eq!(format(FileId(0), &formatted).expect("it parses again"), wanted, "formatting is stable");
}

#[test]
fn blanks_are_canonical_and_lines_are_kept() {
    becomes("route   a:80  90%  v1,10% v2 ;ratelimit 2/5s", "route a:80 90% v1, 10% v2; ratelimit 2/5s\n");
    becomes(
        "route a:80 {\n90% v1,\n10% v2\n\n\n\ntimeout 5s\n}\n",
        "route a:80 {\n  90% v1,\n    10% v2\n\n  timeout 5s\n}\n",
    );
    becomes("route a:80 { to v1 }", "route a:80 { to v1 }\n");
}

#[test]
fn brackets_of_a_long_block_stand_alone() {
    becomes("route a:80 { to v1\n  timeout 5s }", "route a:80 {\n  to v1\n  timeout 5s\n}\n");
    becomes("route a:80 { to v1; timeout 5s\n}", "route a:80 {\n  to v1; timeout 5s\n}\n");
    becomes("route a:80 {\n  to v1;}", "route a:80 {\n  to v1\n}\n");
    becomes(
        "route a:80 { when path = \"/\" { to v1 }\n to v2 }",
        "route a:80 {\n  when path = \"/\" { to v1 }\n  to v2\n}\n",
    );
}

#[test]
fn comments_stay_where_they_are() {
    becomes("route a:80 { # why\n  to v1 } # end\n", "route a:80 { # why\n  to v1\n} # end\n");
    becomes("# head\n\nroute a:80 {\n# inside\nto v1\n}", "# head\n\nroute a:80 {\n  # inside\n  to v1\n}\n");
}

#[test]
fn comments_before_a_brace_go_behind_it() {
    becomes("route a:80 # c\n{\n  to v1\n}\n", "route a:80 { # c\n  to v1\n}\n");
    becomes("route a:80#c\n\n# d\n{ to v1 }\n", "route a:80 { #c\n\n  # d\n  to v1\n}\n");
}
