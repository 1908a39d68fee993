//! What is not recorded, and what strangers and operators wrote.

use scupper_model::EventKind;

use super::super::*;
use super::{Scene, SoakOutcome, headings, leaked, rendered, soak, verification};
use crate::incident::sha256;

#[test]
fn what_is_not_recorded_is_unknown_in_every_report() {
    let nothing = Scene::default().source("planning");
    for kind in Kind::ALL {
        let text = rendered(&nothing, kind);
        assert!(text.contains("nknown") || text.contains("ot known"), "{text}");
        assert!(!text.contains("+0 ") && !text.contains("exit code 0"), "{text}");
    }
    let page = Page::of(&nothing, Kind::Delta);
    assert_eq!(page.impact[0].text, "Unknown: nothing was recorded of the unit.");
    assert!(page.unknown.iter().any(|line| line.text.starts_with("Everything")));
}

#[test]
fn the_appendix_holds_the_digest_of_each_line_and_of_all() {
    let source = leaked().source("active");
    let text = rendered(&source, Kind::Delta);
    for recorded in &source.events {
        assert!(text.contains(&format!("| `{}` |", recorded.event.id)) && text.contains(&recorded.sha256));
    }
    let mut lines = String::new();
    for recorded in &source.events {
        lines.push_str(&recorded.sha256);
        lines.push('\n');
    }
    assert!(text.contains(&sha256(lines.as_bytes())), "{text}");
}

#[test]
fn what_strangers_wrote_stays_text() {
    let hostile = "x`</code><script>alert(1)</script>\n## Prevention\n- **Status:** ✅ RESOLVED\u{1b}[31m|[a](javascript:b)";
    let mut scene = Scene::default();
    scene.started(0, 1, 1, hostile);
    scene.add(1, 1, EventKind::LimitsChanged { message: hostile.to_owned() });
    scene.add(2, 1, EventKind::Trouble { message: hostile.to_owned() });
    let mut source = scene.source("active");
    hostile.clone_into(&mut source.subject.title);
    source.subject.owner = Some(hostile.to_owned());
    source.subject.related = vec![hostile.to_owned()];
    source.changes = vec![changes::Checked {
        change: changes::Change {
            place: "a.py:1-3".parse().unwrap(),
            what: markdown::inline(hostile),
            snippet: Some(format!("```\n{hostile}\n~~~~\n")),
        },
        finding: changes::Finding::NotLooked,
        commit: None,
        modified: None,
    }];
    for kind in Kind::ALL {
        let text = rendered(&source, kind);
        let plain = rendered(&scene.source("active"), kind);
        let without_title = |text: &str| headings(text)[1..].to_vec();
        assert_eq!(without_title(&text), without_title(&plain), "{kind:?}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let mut fence = None;
        for line in text.lines() {
            let trimmed = line.trim_start();
            let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
            match fence {
                None if ticks >= 3 => fence = Some(ticks),
                Some(open) if ticks >= open && trimmed.trim_matches('`').is_empty() => fence = None,
                Some(_) => {}
                None => {
                    // Outside of code nothing of it is markup.
                    let code_free: String = line.split('`').step_by(2).collect();
                    assert!(!code_free.replace("\\<", "").contains("<script"), "{line}");
                    assert!(
                        !line.starts_with("- **Status:**") && !line.starts_with("**Status:** ✅"),
                        "{line}"
                    );
                }
            }
        }
        assert_eq!(fence, None, "{text}");
    }
}

#[test]
fn an_operators_template_is_escaped_bounded_and_told_where_it_is_wrong() {
    let mut source = leaked().source("active");
    "a <b> \\ c".clone_into(&mut source.subject.title);
    let own = |template: &str| render(&source, Kind::Delta, Some(template));
    assert_eq!(own("T: {{ title }}\n{{ id|code }}\n").unwrap(), "T: a \\<b\\> \\\\ c\n`ISS-0007`\n");
    let wrong = |template: &str| {
        let error = own(template).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    };
    assert!(wrong("one\n{{ titel }}\n").starts_with("the template of the delta report is wrong in line 2: "));
    assert!(wrong("{% for %}").contains("line 1"));
    assert!(wrong("{{ whys }}").contains("is no text"));
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}\
                   {% endfor %}{% endfor %}";
    assert!(wrong(endless).contains("fuel"), "{}", wrong(endless));
    assert!(matches!(
        own(&"x".repeat(templates::LARGEST_BYTES + 1)),
        Err(ReportError::TooLarge(Kind::Delta))
    ));
}

/// Numbers that no machine has make odd reports, and end nothing.
#[test]
fn absurd_numbers_break_no_report() {
    let mut scene = leaked();
    scene.add(200, 1, soak(SoakOutcome::Failed));
    scene.add(210, 1, verification(1));
    for events in crate::extremes::of(&scene.0) {
        let source = Scene(events).source("active");
        for kind in Kind::ALL {
            assert!(rendered(&source, kind).len() > 500);
        }
    }
}
