//! Which release of Cilium the cluster runs, and what it can do.

use super::super::agents;
use super::super::client::Client;
use super::Finding;
use meshc_compiler::Target;
use meshc_compiler::target::{FEATURES, NEWEST, OLDEST};
use std::fmt;

/// Cilium 1.`minor`.`patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The minor release.
    pub minor: u8,
    /// The patch release.
    pub patch: u8,
}

impl Release {
    /// The release that an image is of, by its tag: `quay.io/cilium/cilium:v1.18.4@sha256:…`.
    fn of_image(image: &str) -> Option<Release> {
        let name = image.split('@').next()?.rsplit('/').next()?;
        let (_, tag) = name.split_once(':')?;
        let mut numbers = tag.strip_prefix('v').unwrap_or(tag).split(['.', '-', '+']);
        let mut number = || numbers.next()?.parse::<u8>().ok();
        (number()? == 1).then_some(())?;
        Some(Release { minor: number()?, patch: number().unwrap_or(0) })
    }

    /// What to compile for: the newest target that the release can take. Nothing for one that is too old.
    pub fn target(self) -> Option<Target> {
        match self.minor {
            minor if minor < OLDEST => None,
            minor if minor > NEWEST => Some(Target::DEFAULT),
            minor => Some(Target::Cilium { minor, patch: self.patch }),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

/// The oldest release that a node runs.
///
/// # Errors
/// Why it is not seen.
pub async fn release(client: &Client, namespace: &str) -> Result<Release, String> {
    Ok(releases(client, namespace).await?.0)
}

/// The oldest and the newest release in the cluster: it has two while it is renewed.
async fn releases(client: &Client, namespace: &str) -> Result<(Release, Release), String> {
    let agents = agents::pods(client, namespace).await.map_err(|error| {
        if error.is(403) { format!("no permission to list pods in `{namespace}`") } else { error.to_string() }
    })?;
    if agents.is_empty() {
        return Err(format!("there is no pod `{}` in `{namespace}`", agents::SELECTOR));
    }
    let releases: Option<Vec<Release>> = agents.iter().map(|agent| Release::of_image(&agent.image)).collect();
    let releases = releases.ok_or("the image of an agent has no release in its tag")?;
    let (oldest, newest) = (releases.iter().min(), releases.iter().max());
    oldest.copied().zip(newest.copied()).ok_or_else(|| "there are no agents".to_owned())
}

/// The release, whether it fits what the policies are compiled for, and what it cannot do.
pub(super) async fn findings(client: &Client, namespace: &str, targets: &[Target]) -> Vec<Finding> {
    let subject = "Cilium's release";
    let (oldest, newest) = match releases(client, namespace).await {
        Ok(found) => found,
        Err(why) => {
            let remedy = "say the release by `--target`, or by `targets` in meshc.toml";
            return vec![Finding::bad(subject, format!("not seen: {why}"), remedy).unsure()];
        }
    };
    let found = if oldest == newest { oldest.to_string() } else { format!("{oldest} to {newest}") };
    let mut findings = vec![match oldest.target() {
        None => Finding::bad(subject, found, format!("renew Cilium: 1.{OLDEST} is the oldest that is known")),
        Some(_) if oldest.minor > NEWEST => {
            let remedy = format!("nothing, if it works: meshc knows releases up to 1.{NEWEST}");
            Finding::bad(subject, found, remedy).unsure()
        }
        Some(_) => Finding::good(subject, found),
    }];
    if let Some(target) = oldest.target() {
        findings.extend(targets.iter().filter_map(|wanted| unfit(*wanted, target)));
        findings.push(Finding::good(format!("what {target} can do"), lacks(target)));
    }
    findings
}

/// A target of the policies that is newer than the cluster.
fn unfit(wanted: Target, cluster: Target) -> Option<Finding> {
    let minor = |target: Target| match target {
        Target::Cilium { minor, .. } => Some(minor),
        Target::Envoy => None,
    };
    let newer = minor(wanted)? > minor(cluster)?;
    newer.then(|| {
        let remedy = format!("compile for `--target {cluster}`: what newer releases know is dropped in silence");
        Finding::bad(format!("the target {wanted}"), format!("newer than the cluster's {cluster}"), remedy).unsure()
    })
}

fn lacks(target: Target) -> String {
    let lacking = FEATURES.iter().filter(|feature| !target.has(feature));
    let lacking: Vec<String> = lacking.map(|f| format!("{} (from {})", f.name, f.first())).collect();
    match lacking.as_slice() {
        [] => "all of the language".to_owned(),
        lacking => format!("all of the language but {}", lacking.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_release() {
        let of = |image: &str| Release::of_image(image).map(|r| r.to_string());
        assert_eq!(of("quay.io/cilium/cilium:v1.18.4@sha256:abc").as_deref(), Some("1.18.4"));
        assert_eq!(of("registry:5000/cilium:v1.20.0-rc.1").as_deref(), Some("1.20.0"));
        assert_eq!(of("cilium:1.16").as_deref(), Some("1.16.0"));
        assert_eq!(of("quay.io/cilium/cilium@sha256:abc"), None);
        assert_eq!(of("registry:5000/cilium"), None);
        assert_eq!(of("cilium:latest"), None);
        assert_eq!(of("cilium:v2.0.0"), None);
    }

    #[test]
    fn a_release_has_a_target() {
        let target = |minor| Release { minor, patch: 3 }.target().map(|t| t.to_string());
        assert_eq!(target(13), None);
        assert_eq!(target(18).as_deref(), Some("cilium-1.18.3"));
        assert_eq!(target(NEWEST + 1), Some(Target::DEFAULT.to_string()));
    }

    #[test]
    fn a_target_that_is_too_new_is_told() {
        let at = |minor| Target::Cilium { minor, patch: 0 };
        assert!(unfit(at(20), at(18)).is_some());
        assert!(
            unfit(at(18), at(18)).is_none()
                && unfit(at(16), at(18)).is_none()
                && unfit(Target::Envoy, at(18)).is_none()
        );
    }
}
