//! What every store of a registry promises, as tests of any store.
//!
//! A store's own test binary takes the suite in, says how to make a fresh registry, and has a test of each promise:
//!
//! ```ignore
//! #[path = "../conformance/suite/mod.rs"]
//! #[macro_use]
//! mod suite;
//!
//! struct Mine { /* a server or a file of its own, ended with it */ }
//! impl suite::Fixture for Mine { /* ... */ }
//!
//! conformance!(Mine::start);   // `fn start() -> Mine`; one #[test] for each promise
//! ```
//!
//! Time: all tests ask the fixture to let it pass. A store with a clock that is given turns it. A store whose server has the
//! clock (Redis) may really wait, with scaled [`Timing`]; better it moves everything it has written back by that time
//! (deadlines, leases, what guard and brake remember), which is the same to it, and lets the tests keep real times, so that
//! no load of the machine ends a lease. What needs a clock that stands still otherwise asks [`Fixture::is_exact`].

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

pub mod lists;
pub mod members;
pub mod outages;
pub mod races;
pub mod reaps;
pub mod scene;
pub mod sweeps;
pub mod taken;

use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::{Store, Timing};

/// A fresh registry, and a hand on its clock. Ends whatever it started when it is dropped.
pub trait Fixture: Sync {
    /// The registry, the same each time.
    fn store(&self) -> Arc<dyn Store>;

    /// Times that fit its clock.
    fn timing(&self) -> Timing {
        Timing::DEFAULT
    }

    /// So much time passes for the store, at least.
    fn pass(&self, time: Duration);

    /// Whether no time passes but by [`Fixture::pass`].
    fn is_exact(&self) -> bool {
        true
    }

    /// The store ends (killed) and comes up again, and has lost nothing; `false` where it has no process that could.
    fn restart(&self) -> bool {
        false
    }

    /// The store ends and comes up again, and has lost all that was done by `doing`; `false`, and nothing done, where it
    /// never loses anything. At least 2 ms pass meanwhile.
    fn lose(&self, doing: &mut dyn FnMut()) -> bool {
        let _ = doing;
        false
    }

    /// Whether everybody whom it knows has a whole lease after [`Fixture::lose`] and [`Fixture::restart`], since heartbeats
    /// are what it loses first.
    fn renews_leases(&self) -> bool {
        false
    }
}

/// One promise.
pub type Promise = fn(&dyn Fixture);

/// Gives all promises to a macro.
#[macro_export]
macro_rules! promises {
    ($to:ident $($with:tt)*) => {
        $to! { $($with)*
            members::a_member_beats_and_is_seen
            members::the_same_nonce_is_the_same_registration
            members::a_registration_sent_again_has_the_secret_that_came_with_it
            members::a_second_process_of_a_name_is_refused
            members::a_takeover_fences_and_inherits
            members::every_incarnation_has_a_larger_epoch
            members::a_zombie_writes_nothing
            members::a_name_is_busy_while_it_is_cleaned_up
            members::a_lease_that_ended_is_free_only_after_its_cleanup
            members::what_an_agent_keeps_is_its_own
            members::r098_names_are_no_prefixes
            members::names_with_colons_do_not_meet
            members::odd_items_are_refused
            members::who_leaves_leaves_nothing
            members::only_the_living_incarnation_leaves
            members::a_departure_that_is_asked_for_again_goes_on
            members::an_agent_is_asked_to_do_something
            members::many_beats_are_answered_in_their_order
            taken::r104_memory_is_kept_by_the_minute
            taken::r103_totals_are_of_the_members_and_of_what_each_said_last
            taken::r105_growth_is_of_those_who_were_there_a_window_ago
            taken::r104_the_window_is_the_registrys_and_samples_follow_it
            taken::r104_the_window_stays_while_others_go_by_it
            lists::long_lists_come_in_pages
            lists::events_follow_each_other
            sweeps::r093_a_lease_ends_after_its_last_millisecond
            sweeps::r093_an_agents_own_lease_counts
            sweeps::who_beats_is_never_claimed
            sweeps::r097_who_beats_again_before_the_claim_is_spared
            sweeps::a_claim_says_what_is_known
            sweeps::a_dry_sweep_changes_nothing
            sweeps::a_person_names_whom_to_claim
            sweeps::a_sweep_claims_a_batch
            sweeps::r116_too_many_dead_are_held_and_then_trickle
            sweeps::r116_a_person_passes_the_brake
            sweeps::r116_leases_that_end_one_by_one_are_braked_too
            sweeps::those_who_are_silent_are_suspect
            sweeps::a_lost_coordinator_is_told_once
            sweeps::a_lost_coordinator_is_told_again_until_it_is_settled
            sweeps::who_resigns_is_not_lost
            sweeps::agents_are_adopted
            sweeps::one_coordinator_has_the_turn
            sweeps::a_sweep_says_whether_there_is_more_to_ask_for
            outages::r116_the_first_sweep_claims_nobody
            outages::r116_after_a_gap_everybody_has_time_to_beat
            outages::r116_a_person_does_not_pass_the_grace
            outages::r116_an_outage_that_is_short_for_the_coordinator_and_long_for_a_lease_costs_nobody_his_life
            outages::r116_who_is_back_after_an_objection_has_its_short_lease
            outages::r116_after_a_restart_everybody_has_a_whole_lease
            outages::an_incarnation_that_was_lost_goes_on
            outages::who_took_over_before_the_loss_still_has_the_name
            outages::nobody_else_comes_back
            outages::epochs_and_fences_grow_over_a_loss
            reaps::keys_go_in_steps_and_their_sum_is_exact
            reaps::r101_a_cleanup_is_taken_on_and_the_old_claim_is_stale
            reaps::a_cleanup_is_its_holders_while_its_lease_holds
            reaps::every_step_renews_the_lease
            reaps::a_departure_half_way_is_finished_by_a_sweep
            reaps::r114_an_objection_gives_everything_back
            reaps::an_objection_comes_before_the_first_deletion
            reaps::a_made_up_claim_deletes_nothing
            reaps::a_completed_cleanup_is_answered_again
            reaps::r115_a_process_elsewhere_is_delegated_once
            reaps::r101_five_coordinators_clean_a_hundred_orphans_once
            races::r092_a_beat_and_a_claim_in_one_moment
            races::many_want_one_name_and_one_has_it
            races::a_cleanup_by_many_at_once_is_completed_once
        }
    };
}

/// Makes a test of each promise, for a fixture that this expression starts.
#[macro_export]
macro_rules! conformance {
    ($start:expr) => {
        promises! { conformance @ $start; }
    };
    (@ $start:expr; $($of:ident :: $promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::suite::$of::$promise(&$start());
            }
        )*
    };
}

/// Makes a list of them: names and functions.
#[macro_export]
macro_rules! list_promises {
    ($($of:ident :: $promise:ident)*) => {
        &[$((stringify!($promise), $crate::suite::$of::$promise as $crate::suite::Promise)),*]
    };
}
