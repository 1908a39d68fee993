//! A report as one page of HTML: nothing to load, no script, and HTML of strangers dropped.

use std::fmt::Write as _;

use comrak::{Options, markdown_to_html};

/// What may be in a page: its own style, and nothing that comes from elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#222b36;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1,h2,h3{line-height:1.25}h2{margin-top:2rem;border-bottom:1px solid #e4e8ed}\
code,pre{font:13px/1.45 ui-monospace,monospace;background:#f4f6f8;border-radius:3px}code{padding:.1em .3em;overflow-wrap:anywhere}\
pre{padding:.8em;overflow-x:auto}pre code{padding:0}table{border-collapse:collapse;font-size:14px;display:block;overflow-x:auto}\
td,th{border:1px solid #e4e8ed;padding:.3em .6em;text-align:left;vertical-align:top}figure{margin:1rem 0}figure svg{max-width:100%;height:auto}";

/// The page. The curve stands where its picture is named, else at the end.
pub(super) fn page(markdown: &str, curve: Option<&str>, picture: Option<&str>) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.strikethrough = true;
    // HTML within the text is shown as text.
    options.render.escape = true;
    options.render.r#unsafe = false;

    let image = curve.map(|name| format!("![Memory curve]({name})"));
    // No text can hold this: it is a new one in each page.
    let token = uuid::Uuid::now_v7().simple().to_string();
    let mut lines = String::with_capacity(markdown.len());
    let mut placed = false;
    for line in markdown.lines() {
        if !placed && picture.is_some() && image.as_deref() == Some(line.trim_end()) {
            lines.push_str(&token);
            placed = true;
        } else {
            lines.push_str(line);
        }
        lines.push('\n');
    }
    if picture.is_some() && !placed {
        let _ = write!(lines, "\n\n{token}\n");
    }
    let title = markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("Report");
    let body = markdown_to_html(&lines, &options);
    let figure = picture.map(|svg| format!("<figure>{}</figure>", inline(svg))).unwrap_or_default();
    let body = body.replacen(&format!("<p>{token}</p>"), &figure, 1).replace(&token, "");
    let title = escape(&title.replace('\\', ""));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

/// The picture without what only a file of its own begins with.
fn inline(svg: &str) -> &str {
    svg.find("<svg").and_then(|at| svg.get(at..)).unwrap_or(svg)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loads_nothing_and_runs_nothing() {
        let hostile = "# T <script>x</script>\n\n<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n\
                       [a](javascript:alert(1)) ![b](http://example.org/x.png) `<b>`\n\n| a |\n|---|\n| b |\n\n\
                       ![Memory curve](memory.svg)\n";
        let page = page(hostile, Some("memory.svg"), Some("<?xml version=\"1.0\"?>\n<svg><path/></svg>\n"));
        for bad in ["<script", "<img src=x", "href=\"javascript:", "<?xml", "memory.svg"] {
            assert!(!page.contains(bad), "{bad}: {page}");
        }
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("<td>b</td>"),
            "{page}"
        );
        assert!(page.contains("<figure><svg><path/></svg>\n</figure>"), "{page}");
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"), "{page}");
    }

    #[test]
    fn a_curve_whose_place_was_removed_stands_at_the_end() {
        let page = page("# T\n\ntext\n", None, Some("<svg/>"));
        assert!(page.contains("<p>text</p>\n<figure><svg/></figure>"), "{page}");
    }
}
