//! How far back growth is measured: one setting for all coordinators of a registry.
//! Rows shown here: R104.

use std::time::Duration;

use scupper_fleet::LeakWindow;

use super::Fleet;

/// What a coordinator that is refused says, and its exit code.
fn refused(fleet: &Fleet, flags: &[&str]) -> (Option<i32>, String) {
    let args = ["serve", "--registry", &fleet.url, "--host", "other", "--no-listen", "--no-socket"];
    let output = fleet.scene.scupper(&[&args, flags].concat()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn r104_a_leak_window_is_the_registrys_and_a_second_coordinator_goes_by_it() {
    let fleet = Fleet::embedded();
    let (code, said) = refused(&fleet, &["--leak-window", "4m"]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(
        said.trim_end(),
        "error: --leak-window: 4m is too short for --ttl 2m, whose agents say too rarely what they take: use 5m or more"
    );
    assert_eq!(fleet.store.leak_window().unwrap(), LeakWindow::DEFAULT);

    let one = fleet.serve("one", &["--ttl", "10m", "--leak-window", "30m"]);
    one.wait_for("fleet_grace");
    let half_an_hour = LeakWindow::new(Duration::from_mins(30)).unwrap();
    assert_eq!(fleet.store.leak_window().unwrap(), half_an_hour);
    let (code, said) = refused(&fleet, &["--leak-window", "15m"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.starts_with(
            "error: --leak-window 15m: this registry's is 30m, and other coordinators are at work with it\nhint: "
        ),
        "{said}"
    );

    // Who asks for none, or for the same, is welcome; with longer leases it says what that means.
    let two = fleet.serve("two", &["--ttl", "1h"]);
    let said = two.wait_for("leak_window_short");
    assert!(said["message"].as_str().unwrap().ends_with("use --leak-window 2h 30m or more"), "{said}");
    two.wait_for("fleet_grace");
    assert_eq!(fleet.store.leak_window().unwrap(), half_an_hour);

    // The last one that is left may choose again.
    assert!(one.end().success() && two.end().success());
    let alone = fleet.serve("three", &["--leak-window", "15m"]);
    alone.wait_for("coordinator_started");
    assert_eq!(fleet.store.leak_window().unwrap().time(), Duration::from_mins(15));
}
