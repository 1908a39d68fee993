//! R119: job control on a real terminal. `terminal.py` plays the person in front of it.

use std::path::Path;
use std::process::Command;

use super::scene::{SCUPPER, Scene};

fn play(scenario: &str) {
    let scene = Scene::new();
    let mut person = Command::new("python3");
    person.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/terminal.py"));
    person.args([scenario, SCUPPER, &scene.unit]).arg(scene.dir.path());
    scene.dress(&mut person);
    let out = person.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    scene.expect_nothing_left();
}

#[test]
fn r119_an_interrupt_reaches_the_command_once() {
    play("interrupt_once");
}

#[test]
fn r119_an_interrupt_ends_scupper_with_the_command() {
    play("interrupt_ends");
}

#[test]
fn r119_an_interactive_program_survives_an_interrupt() {
    play("interrupt_is_survived");
}

#[test]
fn r119_a_job_can_be_stopped_and_goes_on() {
    play("stop_and_go_on");
}

#[test]
fn r119_kill_of_a_job_is_one_term() {
    play("kill_from_the_shell");
}

#[test]
fn r119_the_end_of_a_timeout_is_one_term() {
    play("timeout_is_one_term");
}

#[test]
fn r119_a_changed_window_is_told() {
    play("window_size");
}

#[test]
fn r119_a_hang_up_ends_what_a_shell_started() {
    play("hang_up_of_a_shell");
}

#[test]
fn r119_a_hang_up_ends_scupper_alone_on_its_terminal() {
    play("hang_up_of_scupper_alone");
}

#[test]
fn r119_a_hang_up_that_the_command_ignores_ends_it_after_the_grace() {
    play("hang_up_that_the_command_ignores");
}

#[test]
fn r119_what_is_typed_is_the_commands() {
    play("input_is_the_commands");
}

#[test]
fn r119_a_job_in_the_background_is_not_stopped() {
    play("background");
}
