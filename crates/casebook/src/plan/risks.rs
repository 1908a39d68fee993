//! What may come in the way, and what helps.

/// A risk as a plan lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Risk {
    pub name: &'static str,
    pub about: &'static str,
    pub mitigation: &'static str,
}

impl Risk {
    /// Its two lines.
    pub(super) fn lines(&self) -> String {
        format!("- **{}**: {}\n  - *Mitigation*: {}\n", self.name, self.about, self.mitigation)
    }
}

/// What a request speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Risks {
    pub depends: bool,
    pub complex: bool,
    pub integrates: bool,
    pub words: usize,
}

/// Below so many words a request says too little.
const FEW_WORDS: usize = 30;

impl Risks {
    pub(super) fn listed(self) -> Vec<Risk> {
        let all = [
            (
                self.depends,
                Risk {
                    name: "Dependencies",
                    about: "Task may depend on other systems or tasks",
                    mitigation: "Identify and verify all dependencies before starting",
                },
            ),
            (
                self.complex,
                Risk {
                    name: "Complexity",
                    about: "The request itself says that this is hard",
                    mitigation: "Split it into parts that can be finished and checked one by one",
                },
            ),
            (
                self.integrates,
                Risk {
                    name: "Integration Challenges",
                    about: "May require integration with external systems",
                    mitigation: "Test integrations thoroughly and have rollback plan",
                },
            ),
            (
                self.words < FEW_WORDS,
                Risk {
                    name: "Unclear Requirements",
                    about: "The request is short and leaves questions open",
                    mitigation: "Ask whoever wrote it before work begins",
                },
            ),
        ];
        let found: Vec<Risk> = all.into_iter().filter(|(holds, _)| *holds).map(|(_, risk)| risk).collect();
        if !found.is_empty() {
            return found;
        }
        vec![Risk {
            name: "Scope Creep",
            about: "More may be asked for while the work goes on",
            mitigation: "Keep to the request, and write down what is left for another one",
        }]
    }
}
