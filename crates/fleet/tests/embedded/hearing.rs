//! What a coordinator sees of cleanups that another process of its host begins.

use std::sync::Arc;

use scupper_fleet::testing::Manual;

use crate::fixture::Embedded;
use crate::listening;
use crate::suite::Fixture;

#[test]
fn r114_a_coordinator_of_another_process_objects_as_soon_as_the_claim_is_written() {
    let fixture = Embedded::start();
    // What is heard is good for a lease of its own clock, which stands still.
    let a = listening::coordinator(fixture.store(), Arc::new(Manual::new()));
    listening::member(&*a.batch());
    let other = fixture.another();
    listening::while_listening(a.listening(), || {
        let claim = listening::claimed(&other, &|time| fixture.pass(time));
        listening::is_kept(&other, &claim);
    });
}
