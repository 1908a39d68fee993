//! The words of a plan's front matter: what kind of task it is, how soon, how much, and how far it is.

use std::fmt;

/// Makes an enum whose variants have one word each, the same in the document, in JSON and on the command line.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the document.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one with this word.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// What kind of task a note asks for. The first four know no more of leaks than the tool that made the first plans.
    TaskType {
        /// Memory that grows and is not given back.
        MemoryLeak = "memory_leak",
        /// Processes that nobody owns any more.
        OrphanCleanup = "orphan_cleanup",
        /// Something is down, or was.
        Incident = "incident",
        /// Something is wrong and is to be put right.
        BugFix = "bug_fix",
        /// Something new.
        FeatureDevelopment = "feature_development",
        /// Something is to be looked at and judged.
        Review = "review",
        /// Something is to be found out.
        Research = "research",
        /// The same, made better.
        Refactoring = "refactoring",
        /// Tests.
        Testing = "testing",
        /// Words about it.
        Documentation = "documentation",
        /// A setting.
        ConfigChange = "config_change",
        /// None of these, or nobody can say which.
        GeneralTask = "general_task",
    }
}

words! {
    /// How soon.
    Priority {
        /// Now.
        High = "high",
        /// In its turn.
        Medium = "medium",
        /// When there is time.
        Low = "low",
    }
}

words! {
    /// How much work.
    Effort {
        /// Little.
        Low = "Low",
        /// Some.
        Medium = "Medium",
        /// Much.
        High = "High",
    }
}

words! {
    /// How far a plan is. People write it; a plan that is over moves to `Done/`.
    Status {
        /// Nobody has begun.
        Pending = "pending",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// Somebody waits for something.
        Blocked = "blocked",
        /// It is done.
        Done = "done",
        /// It will not be done.
        Cancelled = "cancelled",
    }
}

impl Status {
    /// Whether nothing more comes.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}
