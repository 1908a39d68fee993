//! Code that a report shows as its fix, and that cannot work. A short list of mistakes that are certain from the text alone; no
//! parser, and no opinion on style.

use super::rule::Rule;

/// What is wrong with a piece of code, and in which of its lines, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub rule: Rule,
    pub line: usize,
    pub message: String,
}

/// `asyncio.create_task` takes a coroutine. These give a future, and `create_task` raises `TypeError`.
const FUTURES: &[&str] =
    &["gather", "shield", "ensure_future", "run_in_executor", "wrap_future", "create_future"];

/// Looks at the code of a fence. `language` is what stands behind its backticks.
pub(super) fn mistakes(language: &str, code: &[&str]) -> Vec<Mistake> {
    let is_python = matches!(language.to_ascii_lowercase().as_str(), "python" | "py" | "python3" | "");
    if is_python { python(code) } else { Vec::new() }
}

fn python(code: &[&str]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, line) in code.iter().enumerate() {
        let statement = line.split('#').next().unwrap_or_default();
        let Some((before, after)) = statement.split_once("create_task(") else { continue };
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        // The argument may stand in the next line.
        let mut argument = after.trim();
        if argument.is_empty() {
            argument = code.get(index + 1).map(|next| next.trim()).unwrap_or_default();
        }
        let called = argument.split('(').next().unwrap_or_default().trim();
        let name = called.rsplit('.').next().unwrap_or_default();
        let owner = called.rsplit('.').nth(1).unwrap_or_default();
        if argument.contains('(')
            && FUTURES.contains(&name)
            && matches!(owner, "" | "asyncio" | "loop" | "self" | "_loop")
        {
            found.push(Mistake {
                rule: Rule::SnippetCannotWork,
                line: index,
                message: format!(
                    "create_task({called}(...)) raises TypeError: {name} gives a future, and create_task takes a coroutine; \
                     use asyncio.ensure_future, or keep what {name} gives"
                ),
            });
        }
        let owner_of_task = before.trim();
        let is_statement = matches!(
            owner_of_task,
            "asyncio." | "loop." | "asyncio.get_event_loop()." | "asyncio.get_running_loop()." | ""
        );
        let is_whole = after.trim_end().ends_with(')');
        if is_statement && is_whole && statement.matches('(').count() == statement.matches(')').count() {
            found.push(Mistake {
                rule: Rule::SnippetTaskNotKept,
                line: index,
                message: "the task is started and nobody keeps it: it can be collected before it ends, and nobody can cancel it"
                    .to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(code: &str) -> Vec<Rule> {
        let lines: Vec<&str> = code.lines().collect();
        mistakes("python", &lines).into_iter().map(|mistake| mistake.rule).collect()
    }

    #[test]
    fn a_task_is_not_made_from_a_future() {
        for wrong in [
            "task = asyncio.create_task(asyncio.gather(*tasks, return_exceptions=True))",
            "t = loop.create_task(gather(a(), b()))",
            "t = asyncio.create_task(\n    asyncio.shield(work()))",
            "t = create_task(loop.run_in_executor(None, f))",
        ] {
            assert_eq!(rules(wrong), [Rule::SnippetCannotWork], "{wrong}");
        }
        for right in [
            "task = asyncio.ensure_future(asyncio.gather(*tasks))",
            "task = asyncio.create_task(work())",
            "task = asyncio.create_task(self.gather_all())",
            "task = asyncio.create_task(harvest.gather(field))",
            "# asyncio.create_task(asyncio.gather(a))",
            "my_create_task(asyncio.gather(a))",
        ] {
            assert_eq!(rules(right), [], "{right}");
        }
    }

    #[test]
    fn a_task_is_kept() {
        assert_eq!(rules("    asyncio.create_task(work())"), [Rule::SnippetTaskNotKept]);
        assert_eq!(rules("await asyncio.create_task(work())"), []);
        assert_eq!(rules("self.tasks.add(asyncio.create_task(work()))"), []);
        assert_eq!(rules("return asyncio.create_task(work())"), []);
    }

    #[test]
    fn other_languages_are_left_alone() {
        assert_eq!(mistakes("rust", &["create_task(gather(a))"]), []);
    }
}
