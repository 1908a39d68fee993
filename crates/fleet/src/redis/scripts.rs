//! The scripts: everything that must happen at once happens in one of them. Sent by their hash; whole where the server does
//! not know them (a new one, or after `SCRIPT FLUSH`).

use redis::{ConnectionLike, RedisResult, Script, Value};

use super::keys::PREFIX;

/// One script, in two forms: from Redis 7 on a script says that it may run while the memory is full, since a heartbeat that is
/// refused then would look like a death.
pub(super) struct Lua {
    plain: Script,
    modern: Script,
}

impl Lua {
    fn new(text: &str) -> Self {
        let modern = format!("#!lua flags=allow-oom\n{text}");
        Self { plain: Script::new(text), modern: Script::new(&modern) }
    }

    /// Runs it.
    pub(super) fn run(
        &self,
        connection: &mut dyn ConnectionLike,
        modern: bool,
        arguments: &Arguments,
    ) -> RedisResult<Value> {
        let script = if modern { &self.modern } else { &self.plain };
        let mut call = script.prepare_invoke();
        call.key(PREFIX).arg(&arguments.0);
        call.invoke(connection)
    }
}

/// What a script is given.
#[derive(Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub(super) fn add(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.push(text.as_ref().to_vec());
        self
    }

    /// One more, a number.
    pub(super) fn number(&mut self, n: u64) -> &mut Self {
        self.add(n.to_string())
    }

    /// One more, yes or no.
    pub(super) fn flag(&mut self, yes: bool) -> &mut Self {
        self.add(if yes { "1" } else { "0" })
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        /// All scripts.
        pub(super) struct Scripts {
            /// The heartbeat, which has nothing in common with the others: it is the hot one.
            pub(super) beat: Lua,
            $($(#[$doc])* pub(super) $name: Lua,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self::of(&mut |text| text.to_owned())
            }

            /// With this text in the place of that; `None` where there is none.
            pub(super) fn rewritten(from: &str, to: &str) -> Option<Self> {
                let mut found = false;
                let scripts = Self::of(&mut |text| {
                    found |= text.contains(from);
                    text.replace(from, to)
                });
                found.then_some(scripts)
            }

            fn of(edit: &mut dyn FnMut(&str) -> String) -> Self {
                let common = edit(include_str!("scripts/common.lua"));
                Self {
                    beat: Lua::new(&edit(include_str!("scripts/beat.lua"))),
                    $($name: Lua::new(&(common.clone() + &edit(include_str!(concat!("scripts/", $file))))),)*
                }
            }
        }
    };
}

scripts! {
    /// A registration.
    register = "register.lua";
    /// A write.
    put = "put.lua";
    /// A departure.
    leave = "leave.lua";
    /// A sweep.
    sweep = "sweep.lua";
    /// A page of seed 004's members.
    legacy = "legacy.lua";
    /// Keys of seed 004's orphans.
    index = "index.lua";
    /// A step of a cleanup.
    reap = "reap.lua";
    /// An objection.
    object = "object.lua";
    /// A directive.
    direct = "direct.lua";
    /// Agents get another coordinator.
    adopt = "adopt.lua";
    /// A coordinator ends.
    resign = "resign.lua";
    /// A lost coordinator is settled.
    settled = "settled.lua";
    /// Whose turn it is.
    turn = "turn.lua";
    /// An event.
    announce = "announce.lua";
    /// An agent of the seed that came back.
    zombie = "zombie.lua";
    /// Some agents.
    view = "view.lua";
    /// One agent of the seed.
    seen = "seen.lua";
    /// A few numbers.
    status = "status.lua";
    /// What the fleet takes.
    totals = "totals.lua";
    /// The window of the leak check.
    window = "window.lua";
    /// Keys that nobody owns.
    leaked = "leaked.lua";
    /// Whether scripts may run.
    probe = "probe.lua";
}
