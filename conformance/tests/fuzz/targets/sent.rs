//! What comes with a certificate: the certificate, its signature, a key, and the records of a run's folder.

use std::sync::OnceLock;

use pghaspec::certificate::signature::{check, check_itself, generate, public_key, sign};
use pghaspec::certificate::{Certificate, differences};
use pghaspec::manifest::Manifest;
use pghaspec::run::claims::Claims;
use pghaspec::run::records::{ImageRecord, MachineRecord};

use super::{Target, outcome};

const WORDS: &[&str] = &["null", "true", "[]", "{}", ",", ":", "\"id\"", "1e999", "\\u0000", "\"suite\"", "\"own\""];

/// A certificate, as `verify` reads one.
pub const CERTIFICATE: Target = Target {
    name: "certificate",
    run: |input| match serde_json::from_slice::<Certificate>(input) {
        Ok(certificate) => {
            let one = serde_json::from_slice(input).unwrap_or_default();
            let other = serde_json::from_str(&certificate.text()).unwrap_or_default();
            format!("{}", differences(&one, &other).len())
        }
        Err(error) => error.to_string(),
    },
    seeds: || {
        let claims = Claims::of(&Manifest::load("patroni").unwrap()).unwrap();
        let claims = serde_json::to_string(&claims).unwrap();
        let text = format!(
            r#"{{"certificate":1,"pghaspec":"0.1.0","suite":"00","specification":{{"edition":"4.1","rules":[],
            "sha256":"00"}},"agent":{{"manifest":"suite","claims":{claims},"image":null}},"machine":null,"held":
            {{"profile":"core","complete":true,"shard":null,"seed":1,"not_run":["a"]}},"verdict":"pass",
            "as_expected":true,"counts":{{"pass":1}},"deviations":{{"known":[],"unknown":[],"gone":[]}},"scenarios":
            [{{"id":"a","sha256":"00","verdict":"pass","checks":{{"timeline":"pass"}},"seconds":1.5,"measured":[]}}],
            "put_aside":{{"a.attempt-1":"interrupted"}},"evidence":{{"plan.json":"00"}}}}"#
        );
        vec![text.into_bytes()]
    },
    words: WORDS,
    repair: None,
};

/// The keys of all seeds.
static KEYS: OnceLock<(String, String)> = OnceLock::new();

/// A signature of a certificate, and a public key.
pub const SIGNATURE: Target = Target {
    name: "signature",
    run: |input| {
        let text = String::from_utf8_lossy(input);
        let itself = check_itself("certificate", &text).map(|key| key.is_some());
        let (_, public) = KEYS.get_or_init(|| generate(None).unwrap());
        let by = public_key(&text).or_else(|_| public_key(public)).and_then(|key| check("certificate", &text, &key));
        format!("{itself:?} {}", outcome(by))
    },
    seeds: || {
        let (secret, public) = KEYS.get_or_init(|| generate(None).unwrap()).clone();
        vec![sign("certificate", &secret, None).unwrap().into_bytes(), public.into_bytes()]
    },
    words: &["untrusted comment: ", "trusted comment: ", " by key ", "\n", "\r\n", "RW", "="],
    repair: None,
};

/// What a run records of its agent, its image and its machine.
pub const RECORDS: Target = Target {
    name: "records",
    run: |input| {
        let claims = outcome(serde_json::from_slice::<Claims>(input));
        let image = outcome(serde_json::from_slice::<ImageRecord>(input));
        format!("{claims}; {image}; {}", outcome(serde_json::from_slice::<MachineRecord>(input)))
    },
    seeds: || {
        let claims = Claims::of(&Manifest::load("patroni").unwrap()).unwrap();
        let image = r#"{"reference":"a:1","digest":"sha256:00","packages":[{"from":"dpkg","name":"a","version":"1"}],
            "packages_unknown":null}"#;
        let machine =
            r#"{"cpus":2,"memory_mib":4096,"kernel":"6","architecture":"x86_64","docker":"20","pghaspec":"0"}"#;
        vec![serde_json::to_vec(&claims).unwrap(), image.into(), machine.into()]
    },
    words: WORDS,
    repair: None,
};
