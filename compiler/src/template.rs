//! Path templates such as `/users/{id}/files/{rest=**}`: segments, some of them free.

use std::fmt;

/// The most variables that Envoy's `uri_template` takes.
const MAX_VARIABLES: usize = 5;
/// The longest name of a variable that it takes.
const MAX_NAME: usize = 16;
/// The characters of a free segment, as Envoy's `uri_template` has them.
const SEGMENT: &str = "a-zA-Z0-9._~%!$&'()+,;:@=\\-";

/// A path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The parts between the slashes, in order.
    pub segments: Vec<Segment>,
}

/// A part of a template between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Just this text.
    Literal(String),
    /// Any one segment; a variable where it has a name.
    One(Option<String>),
    /// Everything that is left, slashes too; last, and a variable where it has a name.
    Rest(Option<String>),
}

/// Whether a character may stand in a free segment.
pub(crate) fn is_free(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~%!$&'()+,;:@=-".contains(&byte)
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow "the template …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/') else { return Err("does not begin with `/`".into()) };
        let segments: Vec<Segment> = inner.split('/').map(Segment::parse).collect::<Result<_, _>>()?;
        let before_last = segments.len().saturating_sub(1);
        if segments.iter().take(before_last).any(|s| matches!(s, Segment::Rest(_))) {
            return Err("has something behind `**`, which takes all that is left".into());
        }
        if segments.iter().take(before_last).any(|s| *s == Segment::Literal(String::new())) {
            return Err("has a doubled slash, which no request has when rules are tried".into());
        }
        let names: Vec<&str> = segments.iter().filter_map(Segment::name).collect();
        if let Some((at, twice)) = names.iter().enumerate().find(|(at, n)| names.iter().take(*at).any(|m| m == *n)) {
            return Err(format!("has the variable `{twice}` twice, first as number {at}"));
        }
        if names.len() > MAX_VARIABLES {
            return Err(format!("has {} variables, and Envoy takes {MAX_VARIABLES}", names.len()));
        }
        Ok(Self { segments })
    }

    /// The template as a pattern for the path; `stop` is left out of the free segments.
    pub(crate) fn regex(&self) -> String {
        let segment = |s: &Segment| match s {
            Segment::Literal(text) => crate::regex::quote(text),
            Segment::One(_) => format!("[{SEGMENT}]+"),
            Segment::Rest(_) => format!("[{SEGMENT}/]*"),
        };
        self.segments.iter().map(|s| format!("/{}", segment(s))).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::One(None) => f.write_str("/*"),
            Segment::Rest(None) => f.write_str("/**"),
            Segment::One(Some(name)) => write!(f, "/{{{name}}}"),
            Segment::Rest(Some(name)) => write!(f, "/{{{name}=**}}"),
        })
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Segment::One(name) | Segment::Rest(name) => name.as_deref(),
            Segment::Literal(_) => None,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Segment::One(None)),
            "**" => return Ok(Segment::Rest(None)),
            _ => {}
        }
        let Some(variable) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return literal(text);
        };
        let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !first || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!(
                "has the variable `{name}`: names begin with a letter and are at most {MAX_NAME} letters, digits and `_`"
            ));
        }
        match pattern {
            "*" => Ok(Segment::One(Some(name.to_owned()))),
            "**" => Ok(Segment::Rest(Some(name.to_owned()))),
            _ => {
                Err(format!("has the pattern `{pattern}`: a variable is `{{{name}}}` or, at the end, `{{{name}=**}}`"))
            }
        }
    }
}

fn literal(text: &str) -> Result<Segment, String> {
    if text.contains(['{', '}', '*']) {
        return Err(format!("has the segment `{text}`: a variable fills a whole segment"));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&b)) {
        return Err(format!("has the segment `{text}`, with characters that a request escapes"));
    }
    if matches!(text, "." | "..") {
        return Err("has a dot segment, which no request has when rules are tried".into());
    }
    Ok(Segment::Literal(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_read_and_print() {
        for text in ["/users/{id}", "/a/*/b/{rest=**}", "/", "/a/**"] {
            assert_eq!(Template::parse(text).map(|t| t.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Template::parse("/{id=*}").map(|t| t.to_string()), Ok("/{id}".to_owned()));
    }

    #[test]
    fn templates_that_envoy_refuses() {
        for text in ["a", "/a{b}", "/{a}/{a}", "/a/**/b", "/{a}/{b}/{c}/{d}/{e}/{f}", "/{1}", "/{a=b}", "/a//b", "/ö"]
        {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
