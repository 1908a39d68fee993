//! Agents come, beat, write and leave.

use std::fmt::Write as _;
use std::time::Duration;

use redis::Value;
use scupper_detect::Verdict;
use scupper_model::{Bytes, Identity, Timestamp};

use super::reply::{Odd, Parts, Read, bytes, number, text};
use super::scripts::Arguments;
use super::told::Along;
use super::{RedisStore, keys, locked, millis};
use crate::rules::{TTL_LIMIT, check_item, clipped_state};
use crate::{
    AgentId, Answer, BEATS_LIMIT, Beat, Beaten, Claim, Clock, CoordinatorId, Directive, Epoch, Fence, HostId,
    Incarnation, Item, ItemKind, Process, Reason, Registered, Registration, Report, StoreError, SystemClock,
    Timing, Written,
};

/// More than any machine has; what is said to be larger would spoil the fleet's sums.
const LARGEST: u64 = 1 << 44;

/// An epoch or a fence as it is stored: 16 digits, so that text sorts as numbers do.
pub(super) fn padded(number: u64) -> String {
    format!("{number:016}")
}

/// A process as it is stored. What is not understood of it is not known: one odd record is not to stop a sweep (R117).
pub(super) fn process(host: Option<HostId>, identity: Option<&str>) -> Option<Process> {
    Some(Process {
        host: host?,
        identity: identity.and_then(|json| serde_json::from_str::<Identity>(json).ok()),
    })
}

/// Its identity as JSON; empty where it has said none.
pub(super) fn identity_json(process: &Process) -> String {
    process.identity.as_ref().and_then(|identity| serde_json::to_string(identity).ok()).unwrap_or_default()
}

impl RedisStore {
    pub(super) fn do_register(&self, registration: &Registration) -> Result<Registered, StoreError> {
        let mut arguments = self.arguments();
        let Process { host, identity } = &registration.process;
        arguments
            .add(registration.id.as_str())
            .add(registration.nonce.as_str())
            .number(millis(registration.ttl.min(TTL_LIMIT)).max(1))
            .flag(registration.takeover)
            .add(registration.earlier.map(|epoch| padded(epoch.0)).unwrap_or_default())
            .add(registration.coordinator.as_ref().map_or("", CoordinatorId::as_str))
            .add(host.as_str())
            .add(identity_json(&registration.process))
            .add(registration.secret.map(|secret| hex(&secret.0)).unwrap_or_default());
        let mut said = match identity {
            Some(identity) => format!(
                r#""pid":{},"startTime":{},"bootId":"{}","#,
                identity.pid, identity.start_time.0, identity.boot_id
            ),
            None => r#""pid":null,"#.to_owned(),
        };
        let _ = write!(said, r#""host":"{host}""#);
        arguments.add(said);
        self.call("registering an agent", &self.scripts.register, &arguments, registered)
    }

    pub(super) fn do_beat(&self, beats: &[Beat]) -> Result<Beaten, StoreError> {
        if beats.len() > BEATS_LIMIT {
            return Err(self.refused("sending heartbeats", "at most 500 in one call"));
        }
        if beats.is_empty() {
            let time = redis::cmd("TIME");
            let now = self.command("reading its time", &time, |said| {
                let mut parts = Parts::of(said)?;
                Ok(Timestamp(parts.number()? * 1000 + parts.number()? / 1000))
            })?;
            return Ok(Beaten { now, answers: Vec::new() });
        }
        let now = SystemClock.since_boot();
        let (mut along, period) = {
            let told = locked(&self.told);
            (told.along(beats, self.seed, now), told.period())
        };
        let send = |along: &[Along]| {
            let arguments = Self::beats(beats, along, period);
            self.call("sending heartbeats", &self.scripts.beat, &arguments, |said| beaten(said, beats.len()))
        };
        let mut answer = send(&along);
        // What goes along may find a key of another type. It is not their lives: whoever looks at these keys tells of them.
        if matches!(answer, Err(StoreError::Damaged { .. })) && along.iter().any(|it| *it != Along::default())
        {
            along = vec![Along::default(); beats.len()];
            answer = send(&along);
        }
        let mut told = locked(&self.told);
        match answer {
            Ok((beaten, period)) => {
                if let Some(period) = period {
                    told.samples_every(period);
                }
                told.answered(beats, &along, Some(&beaten), now);
                Ok(beaten)
            }
            Err(error) => {
                told.answered(beats, &along, None, now);
                Err(error)
            }
        }
    }

    fn beats(beats: &[Beat], along: &[Along], period: u64) -> Arguments {
        let mut arguments = Arguments::new();
        arguments.number(beats.len() as u64);
        for beat in beats {
            arguments.add(beat.who.id.as_str());
        }
        for beat in beats {
            arguments.add(padded(beat.who.epoch.0));
        }
        let numbered = || (1_u64..).zip(beats).zip(along);
        let mirrored: Vec<_> = numbered().filter(|(_, along)| along.mirror).collect();
        let reports = numbered().filter(|(_, along)| along.sample);
        let reports = reports.filter_map(|((at, beat), along)| Some((at, beat.report.as_ref()?, along.news)));
        let reports: Vec<_> = reports.collect();
        if reports.is_empty() && mirrored.is_empty() {
            return arguments;
        }
        arguments.number(reports.len() as u64).number(period);
        let digits =
            |size: Option<Bytes>| size.map(|size| size.0.min(LARGEST).to_string()).unwrap_or_default();
        for (at, report, is_news) in reports {
            arguments.number(at);
            if is_news {
                let state = clipped_state(&report.state).to_owned();
                let kept = serde_json::to_string(&Report { state, ..report.clone() }).unwrap_or_default();
                let verdict = report.verdict.map_or("", Verdict::name);
                let (rss, heap) = (digits(report.memory.rss), digits(report.memory.heap_used));
                arguments.add(kept).add(rss).add(heap).add(verdict);
            } else {
                arguments.add("").add(digits(report.memory.rss)).add("").add("");
            }
        }
        arguments.number(mirrored.len() as u64);
        for ((at, beat), along) in mirrored {
            let report = beat.report.clone().unwrap_or_default();
            arguments.number(at).add(seed_tail(&report));
            let memory = report.memory;
            // What is the same as before is there already.
            if !along.memory || memory.rss.is_none() && memory.heap_used.is_none() {
                arguments.add("").add("").add("").add("");
                continue;
            }
            // The seed's readers count an agent's memory only where all of it is there: of what is not known they read 0.
            for size in [memory.rss, memory.heap_total, memory.heap_used, memory.external] {
                arguments.number(size.map_or(0, |size| size.0));
            }
        }
        arguments
    }

    pub(super) fn do_put(&self, who: &Incarnation, item: &Item) -> Result<Written, StoreError> {
        check_item(item).map_err(|what| self.refused("writing what an agent keeps", what))?;
        let mut arguments = self.arguments();
        arguments
            .add(who.id.as_str())
            .add(padded(who.epoch.0))
            .add(keys::item(self.seed, &who.id, item.kind, &item.name));
        if let Some(value) = &item.value {
            arguments.add(value);
        }
        self.call("writing what an agent keeps", &self.scripts.put, &arguments, |said| {
            let said = text(&said)?;
            match said.as_str() {
                "" => Ok(Written::Accepted),
                "-" => Ok(Written::Fenced { by: None }),
                by => Ok(Written::Fenced { by: Some(Epoch(by.parse().map_err(|_| Odd)?)) }),
            }
        })
    }

    pub(super) fn do_get(
        &self,
        id: &AgentId,
        kind: ItemKind,
        name: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let item = Item { kind, name: name.to_owned(), value: None };
        if check_item(&item).is_err() {
            return Ok(None);
        }
        let mut get = redis::cmd("GET");
        get.arg(keys::item(self.seed, id, kind, name));
        self.command("reading what an agent keeps", &get, |said| match said {
            Value::Nil => Ok(None),
            said => bytes(&said).map(Some),
        })
    }

    pub(super) fn do_leave(
        &self,
        who: &Incarnation,
        why: &str,
        timing: &Timing,
    ) -> Result<Option<Claim>, StoreError> {
        let why: String = why.chars().take(200).collect();
        let mut arguments = self.arguments();
        arguments
            .add(who.id.as_str())
            .add(padded(who.epoch.0))
            .add(serde_json::Value::from(why).to_string())
            .number(millis(timing.claim_lease));
        self.call("leaving", &self.scripts.leave, &arguments, |said| {
            if said == Value::Nil {
                return Ok(None);
            }
            let mut parts = Parts::of(said)?;
            let fence = Fence(parts.parse()?);
            let (last_seen, now) = (Timestamp(parts.number()?), parts.number()?);
            let identity = parts.some_text()?;
            Ok(Some(Claim {
                id: who.id.clone(),
                epoch: Some(who.epoch),
                fence,
                reason: Reason::Shutdown,
                last_seen: Some(last_seen),
                idle: Some(Duration::from_millis(now.saturating_sub(last_seen.0))),
                process: process(parts.known()?, identity.as_deref()),
                coordinator: parts.known()?,
                taken_on: false,
            }))
        })
    }

    pub(super) fn do_direct(&self, id: &AgentId, directive: Option<Directive>) -> Result<bool, StoreError> {
        let mut arguments = self.arguments();
        arguments.add(id.as_str()).add(directive.map_or("", directive_word));
        self.call("directing an agent", &self.scripts.direct, &arguments, |said| Ok(number(&said)? == 1))
    }

    pub(super) fn do_adopt(
        &self,
        from: &CoordinatorId,
        to: Option<&CoordinatorId>,
    ) -> Result<u64, StoreError> {
        let mut arguments = self.arguments();
        arguments.add(from.as_str()).add(to.map_or("", CoordinatorId::as_str)).number(500);
        let mut adopted = 0;
        loop {
            let (changed, left) = self.call("adopting agents", &self.scripts.adopt, &arguments, |said| {
                let mut parts = Parts::of(said)?;
                Ok((parts.number()?, parts.number()?))
            })?;
            adopted += changed;
            if left == 0 {
                return Ok(adopted);
            }
        }
    }

    pub(super) fn do_take_turn(
        &self,
        what: &str,
        by: &CoordinatorId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let mut arguments = self.arguments();
        arguments.add(what).add(by.as_str()).number(millis(lease).max(1));
        self.call("taking a turn", &self.scripts.turn, &arguments, |said| Ok(number(&said)? == 1))
    }
}

fn registered(said: Value) -> Read<Registered> {
    let mut parts = Parts::of(said)?;
    match parts.text()?.as_str() {
        "ok" => Ok(Registered::Accepted {
            epoch: Epoch(parts.parse()?),
            now: Timestamp(parts.number()?),
            resumed: parts.text()? == "1",
        }),
        "taken" => Ok(Registered::Taken { remaining: Duration::from_millis(parts.number()?) }),
        "busy" => Ok(Registered::Busy),
        "dead" => Ok(Registered::Dead { why: parts.text()? }),
        _ => Err(Odd),
    }
}

/// The answers, and how often samples are wanted where that is not how often they come (ms).
fn beaten(said: Value, beats: usize) -> Read<(Beaten, Option<u64>)> {
    let mut answers = vec![Answer::Accepted { directive: None }; beats];
    let Value::Array(parts) = said else {
        return Ok((Beaten { now: Timestamp(number(&said)?), answers }, None));
    };
    let Some((now, odd)) = parts.split_first() else { return Err(Odd) };
    let mut period = None;
    for one in odd.chunks(3) {
        let [at, what, which] = one else { return Err(Odd) };
        if number(at)? == 0 && text(what)? == "P" {
            period = Some(number(which)?);
            continue;
        }
        let at = usize::try_from(number(at)?).ok().and_then(|at| at.checked_sub(1)).ok_or(Odd)?;
        let answer = answers.get_mut(at).ok_or(Odd)?;
        let which = text(which)?;
        *answer = match text(what)?.as_str() {
            "F" if which.is_empty() => Answer::Fenced { by: None },
            "F" => Answer::Fenced { by: Some(Epoch(which.parse().map_err(|_| Odd)?)) },
            "D" => Answer::Accepted { directive: directive(&which) },
            _ => return Err(Odd),
        };
    }
    Ok((Beaten { now: Timestamp(number(now)?), answers }, period))
}

const fn directive_word(directive: Directive) -> &'static str {
    match directive {
        Directive::Drain => "drain",
        Directive::Stop => "stop",
    }
}

/// A later version's word asks for nothing that we could do.
pub(super) fn directive(word: &str) -> Option<Directive> {
    [Directive::Drain, Directive::Stop].into_iter().find(|directive| directive_word(*directive) == word)
}

/// What seed 004's heartbeat says of memory and state, as the inside of a JSON object. What is not known is left out (R090).
fn seed_tail(report: &Report) -> String {
    let memory = report.memory;
    let known = [
        ("rss", memory.rss),
        ("heapTotal", memory.heap_total),
        ("heapUsed", memory.heap_used),
        ("external", memory.external),
    ];
    let known: Vec<_> =
        known.into_iter().filter_map(|(name, size)| Some(format!(r#""{name}":{}"#, size?.0))).collect();
    let state = serde_json::Value::from(clipped_state(&report.state));
    format!(r#""memoryUsage":{{{}}},"state":{state}"#, known.join(","))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    //! Rows shown here: R090.

    use super::*;
    use crate::MemoryUse;

    #[test]
    fn answers_to_beats_are_read_or_refused() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let read = |parts: Vec<Value>| beaten(Value::Array(parts), 2);
        assert_eq!(beaten(text("12"), 1).ok().unwrap().0.answers.len(), 1);
        let fenced = [Value::Int(2), text("F"), text("0000000000000007")];
        let (said, period) = read([vec![text("12")], fenced.to_vec()].concat()).ok().unwrap();
        assert_eq!((said.answers[1], period), (Answer::Fenced { by: Some(Epoch(7)) }, None));
        let other = [vec![text("12"), Value::Int(0), text("P"), text("180000")], fenced.to_vec()].concat();
        let (said, period) = read(other).ok().unwrap();
        assert_eq!((said.answers[1], period), (Answer::Fenced { by: Some(Epoch(7)) }, Some(180_000)));
        for odd in [
            vec![],
            vec![text("12"), Value::Int(0), text("F"), text("")],
            vec![text("12"), Value::Int(3), text("F"), text("")],
            vec![text("12"), Value::Int(0), text("P"), text("soon")],
            vec![text("12"), Value::Int(1), text("P"), text("60000")],
            vec![text("12"), Value::Int(1), text("F")],
            vec![text("12"), Value::Int(1), text("X"), text("")],
            vec![text("12"), Value::Int(1), text("F"), text("many")],
            vec![Value::Nil],
        ] {
            assert!(read(odd).is_err());
        }
    }

    #[test]
    fn r090_what_is_not_known_is_left_out() {
        assert_eq!(seed_tail(&Report::default()), r#""memoryUsage":{},"state":"""#);
        let memory = MemoryUse { rss: Some(Bytes(5)), ..MemoryUse::default() };
        let report = Report { state: "a\"b".to_owned(), memory, ..Report::default() };
        assert_eq!(seed_tail(&report), r#""memoryUsage":{"rss":5},"state":"a\"b""#);
    }
}
