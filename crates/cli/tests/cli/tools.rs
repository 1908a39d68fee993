//! `doctor` and `completions`.

use crate::support::Sandbox;

#[test]
fn doctor_says_what_is_lost_without_each_ability() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(report["schema"], "scupper.doctor/1");
    assert_eq!(answer.code == 0, report["ok"].as_bool().unwrap());
    let abilities = report["abilities"].as_array().unwrap();
    assert!(abilities.iter().any(|ability| ability["name"] == "pidfd" && ability["required"] == true));
    assert!(abilities.iter().all(|ability| !ability["lost_without"].as_str().unwrap().is_empty()));
    let text = sandbox.run(&["doctor"]).out;
    assert!(text.starts_with("ABILITY"), "{text}");
    for ability in abilities {
        assert!(text.contains(ability["name"].as_str().unwrap()));
    }
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let answer = sandbox.run(&["completions", shell]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        assert!(answer.out.contains("recycle") && answer.out.contains("mem-soft"), "{shell}");
    }
    let answer = sandbox.run(&["completions", "tcl"]);
    assert!(answer.code == 2 && answer.err.contains("bash"), "{}", answer.err);
}
