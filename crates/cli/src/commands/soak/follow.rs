//! Follows the unit of a soak: gives each look and the count to it, tells how far it is, and records the result.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use scupper_model::{Event, EventKind};
use scupper_supervise::shell::Observer;
use scupper_supervise::soak::{Counted, Judgement, Soak, Wish};
use scupper_supervise::unit::Look;

use super::said;
use crate::args::SoakArgs;
use crate::config::{LogFormat, Output};
use crate::counter::Counter;
use crate::output::{Printer, remark};

/// Where stderr is no terminal, it is told this often how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Follower {
    soak: Rc<RefCell<Soak>>,
    judgement: Rc<RefCell<Option<Judgement>>>,
    name: Rc<RefCell<String>>,
    counter: Option<Counter>,
    every: Duration,
    printer: Printer,
    format: LogFormat,
    quiet: bool,
    told: Duration,
}

impl Follower {
    pub(super) fn new(
        soak: Rc<RefCell<Soak>>,
        counter: Option<Counter>,
        args: &SoakArgs,
        output: &Output,
    ) -> Self {
        Self {
            soak,
            judgement: Rc::default(),
            name: Rc::default(),
            counter,
            every: args.every,
            printer: Printer::new(),
            format: output.log_format.unwrap_or_default(),
            quiet: args.quiet,
            told: Duration::ZERO,
        }
    }

    /// Where the judgement will be, when the unit is over.
    pub(super) fn judgement(&self) -> Rc<RefCell<Option<Judgement>>> {
        Rc::clone(&self.judgement)
    }

    /// Where its name will be: a second run of the same command gets another one.
    pub(super) fn name(&self) -> Rc<RefCell<String>> {
        Rc::clone(&self.name)
    }

    fn tell(&mut self, age: Duration) {
        if self.quiet {
            return;
        }
        let text = said::progress(&self.soak.borrow());
        if !self.printer.progress(&text) && age >= self.told + TOLD_EVERY {
            self.told = age;
            self.printer.log(&remark(self.format, "soak_progress", &text));
        }
    }
}

impl Observer for Follower {
    fn every(&self) -> Duration {
        self.every
    }

    fn operations(&mut self) -> Option<u64> {
        self.counter.as_ref().and_then(Counter::operations)
    }

    fn look(&mut self, age: Duration, look: &Look) -> Wish {
        let operations = self.operations();
        let wish = self.soak.borrow_mut().look(age, look, operations);
        self.tell(age);
        wish
    }

    fn event(&mut self, event: &Event) {
        self.printer.end_progress();
        event.unit.as_str().clone_into(&mut self.name.borrow_mut());
        self.soak.borrow_mut().note(&event.kind);
    }

    fn finish(&mut self) -> (Vec<EventKind>, i32) {
        self.printer.end_progress();
        let counted = self.counter.as_mut().map_or(Counted::Nothing, Counter::close);
        let judgement = self.soak.borrow().conclude(&counted);
        let soak = Box::new(judgement.result.clone());
        let code = super::code(soak.outcome);
        *self.judgement.borrow_mut() = Some(judgement);
        (vec![EventKind::SoakFinished { soak }], code.into())
    }
}
