//! A real redis-server, which is killed and comes up with what it saved: some random worlds, smaller than those in memory, and
//! the mutation check of its scripts, with the promise that has to notice each.

use crate::first_line;
use crate::redis::Redis;
use crate::suite::Promise;
use crate::world::{Size, run};

const SIZE: Size = Size { names: 8, coordinators: 3, steps: 500 };

/// The least that a step takes: most cleanups of these worlds take several.
const CHUNK: u64 = 5;

const PROMISES: &[(&str, Promise)] = promises!(list_promises);

#[test]
fn heavy_the_invariants_hold_in_random_worlds_of_a_redis_server() {
    let tallies = [1, 2, 3].map(|seed| run(&Redis::of("", |store| store.chunked(CHUNK)), SIZE, seed));
    println!("{tallies:?}");
    let all = |of: fn(&crate::world::Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    assert!(
        all(|tally| tally.losses) > 0 && all(|tally| tally.steps_of_cleanups) > 0,
        "these worlds show nothing"
    );
}

/// A guard, what it is in the scripts, what is left without it, and the promise that is broken then.
struct Missing {
    guard: &'static str,
    from: &'static str,
    to: &'static str,
    breaks: &'static str,
}

const fn missing(guard: &'static str, from: &'static str, to: &'static str, breaks: &'static str) -> Missing {
    Missing { guard, from, to, breaks }
}

const GUARDS: &[Missing] = &[
    missing(
        "a beat is of the incarnation that lives",
        "if it and string.sub(it, 1, 16) == ARGV[n + 1 + i] then",
        "if it then",
        "a_takeover_fences_and_inherits",
    ),
    missing(
        "a write is of the incarnation that lives",
        "if not lives or string.sub(lives, 1, 16) ~= epoch then",
        "if not lives then",
        "a_takeover_fences_and_inherits",
    ),
    missing(
        "whoever leaves is the incarnation that lives",
        "if had[2] ~= epoch then return false end",
        "",
        "only_the_living_incarnation_leaves",
    ),
    missing(
        "a claim fences",
        "redis.call('HDEL', P .. 'ep', id)\n  redis.call('ZREM', P .. 'dl', id)\n  return fence",
        "redis.call('ZREM', P .. 'dl', id)\n  return fence",
        "a_zombie_writes_nothing",
    ),
    missing(
        "a claim is about an agent whose lease has ended",
        "expired = redis.call('ZRANGEBYSCORE', dl, '-inf', '(' .. num(NOW),",
        "expired = redis.call('ZRANGEBYSCORE', dl, '-inf', '+inf',",
        "a_sweep_claims_a_batch",
    ),
    missing(
        "a reap is by the claim that holds",
        "if had[1] ~= 'R' or had[2] ~= fence then",
        "if had[1] ~= 'R' then",
        "r101_a_cleanup_is_taken_on_and_the_old_claim_is_stale",
    ),
    missing(
        "a cleanup that is taken on has a new fence",
        "local fence = next_number('fence')\n  local value = by",
        "local fence = redis.call('HGET', rec, 'fence') or next_number('fence')\n  local value = by",
        "r101_a_cleanup_is_taken_on_and_the_old_claim_is_stale",
    ),
    missing(
        "a cleanup is taken on",
        "over = redis.call('ZRANGEBYSCORE', claims_key, '-inf', '(' .. num(NOW),",
        "over = redis.call('ZRANGEBYSCORE', claims_key, '-inf', '-inf',",
        "a_departure_half_way_is_finished_by_a_sweep",
    ),
    missing(
        "a cleanup is its holder's while its lease holds",
        "over = redis.call('ZRANGEBYSCORE', claims_key, '-inf', '(' .. num(NOW),",
        "over = redis.call('ZRANGEBYSCORE', claims_key, '-inf', '+inf',",
        "a_cleanup_is_its_holders_while_its_lease_holds",
    ),
    missing(
        "each step renews the lease",
        "redis.call('HSET', rec, 'begun', '1')\nredis.call('ZADD', P .. 'claims', num(NOW + lease), id)",
        "redis.call('HSET', rec, 'begun', '1')",
        "every_step_renews_the_lease",
    ),
    missing(
        "after an outage everybody has time to beat",
        "if graced and NOW < graced then",
        "if false then",
        "r116_after_a_gap_everybody_has_time_to_beat",
    ),
    missing(
        "after a restart that is a whole lease",
        "if last and restarted then",
        "if false then",
        "r116_after_a_restart_everybody_has_a_whole_lease",
    ),
    missing(
        "too many dead are doubted",
        "local brakes = counted_dead > math.max(3, math.floor(counted * 3 / 10)) and dead > 0",
        "local brakes = false",
        "r116_too_many_dead_are_held_and_then_trickle",
    ),
    missing(
        "those of one round count together",
        "counted_dead, counted = dead + claimed, members + claimed",
        "counted_dead, counted = dead, members",
        "r116_leases_that_end_one_by_one_are_braked_too",
    ),
    missing(
        "a hold does not end with the round",
        "if since and not held and (",
        "if since and (",
        "r116_leases_that_end_one_by_one_are_braked_too",
    ),
    missing(
        "nobody becomes a member under a name that is being cleaned up",
        "return {'busy'}\nelseif current and had[3] == nonce then",
        "elseif current and had[3] == nonce then",
        "a_name_is_busy_while_it_is_cleaned_up",
    ),
    missing(
        "a registration is the same only with its nonce",
        "elseif current and had[3] == nonce then",
        "elseif current then",
        "a_second_process_of_a_name_is_refused",
    ),
    missing(
        "a name whose lease has ended is free only after its cleanup",
        "if left >= 0 then return {'taken', num(left)} end\n  return {'busy'}",
        "if left >= 0 then return {'taken', num(left)} end",
        "a_lease_that_ended_is_free_only_after_its_cleanup",
    ),
    missing(
        "only what was lost comes back",
        "if from < epoch and epoch <= to then return true end",
        "return true",
        "nobody_else_comes_back",
    ),
    missing(
        "a number is larger than those that were forgotten",
        "math.max(last + 1, MICROS)",
        "last + 1",
        "epochs_and_fences_grow_over_a_loss",
    ),
    missing(
        "an objection aborts",
        "abort(ARGV[2], ARGV[3])\nreturn 1",
        "return 1",
        "r114_an_objection_gives_everything_back",
    ),
    missing(
        "an objection comes before the first deletion",
        "had[2] == 'shutdown' or had[3] then return 0 end",
        "had[2] == 'shutdown' then return 0 end",
        "an_objection_comes_before_the_first_deletion",
    ),
    missing(
        "a dry sweep claims nobody",
        "if dry or phase ~= 'open' then\n  for",
        "if phase ~= 'open' then\n  for",
        "a_dry_sweep_changes_nothing",
    ),
    missing(
        "the sum is of all steps",
        "redis.call('HSET', rec, 'deleted', num(deleted + gone))",
        "",
        "keys_go_in_steps_and_their_sum_is_exact",
    ),
    missing(
        "who is claimed takes nothing any more",
        "num(NOW + lease), id)\n  unsay(id)\n",
        "num(NOW + lease), id)\n",
        "r103_totals_are_of_the_members_and_of_what_each_said_last",
    ),
    missing(
        "who leaves takes nothing any more",
        "redis.call('ZREM', P .. 'dl', id)\nunsay(id)\n",
        "redis.call('ZREM', P .. 'dl', id)\n",
        "r103_totals_are_of_the_members_and_of_what_each_said_last",
    ),
    missing(
        "a successor has not said what its predecessor has",
        "redis.call('HDEL', P .. 'rep', id)\nunsay(id)\n",
        "redis.call('HDEL', P .. 'rep', id)\n",
        "r103_totals_are_of_the_members_and_of_what_each_said_last",
    ),
    missing(
        "of two reports the later one counts",
        "local k = news_place[id]",
        "local k = nil",
        "r103_totals_are_of_the_members_and_of_what_each_said_last",
    ),
    missing(
        "growth is of those who were there a window ago",
        "if then_ then",
        "if true then\n          then_ = then_ or 0",
        "r105_growth_is_of_those_who_were_there_a_window_ago",
    ),
    missing(
        "a lost coordinator is told to one at a time",
        "by, 'NX', 'PX', lease)",
        "by, 'PX', lease)",
        "a_lost_coordinator_is_told_again_until_it_is_settled",
    ),
    missing(
        "a lost coordinator stays known until it is settled",
        "        lost[#lost + 1] = who\n",
        "        lost[#lost + 1] = who\n        redis.call('ZREM', P .. 'coord', who)\n",
        "a_lost_coordinator_is_told_again_until_it_is_settled",
    ),
    missing(
        "a completed cleanup is answered again",
        "if tomb[1] == fence and tomb[2] then",
        "if false then",
        "a_completed_cleanup_is_answered_again",
    ),
];

/// What the promise says where this guard is gone; `None` where it does not notice.
fn noticed(missing: &Missing) -> Option<String> {
    let (_, promise) = PROMISES.iter().find(|(name, _)| *name == missing.breaks).unwrap();
    let without = |store: scupper_fleet::RedisStore| {
        let rewritten = store.rewritten(missing.from, missing.to);
        rewritten.unwrap_or_else(|| panic!("no script has this any more: {}", missing.from))
    };
    let redis = Redis::of("", without);
    first_line(|| promise(&redis))
}

/// The mutation check of the scripts: without any guard the promise named beside it is broken.
#[test]
fn heavy_every_guard_of_the_scripts_is_missed() {
    let unnoticed: Vec<_> = GUARDS
        .iter()
        .filter(|missing| {
            let said = noticed(missing);
            println!("{}: {}", missing.guard, said.as_deref().unwrap_or("not noticed"));
            // A script that is no script any more would break every promise.
            let is_error = said.as_ref().is_some_and(|said| said.starts_with("called `"));
            assert!(!is_error, "{}: {said:?}", missing.guard);
            said.is_none()
        })
        .map(|missing| missing.guard)
        .collect();
    assert_eq!(unnoticed, Vec::<&str>::new(), "nobody notices that these are gone");
}
