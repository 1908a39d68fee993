//! `/metrics` of a real `scupper serve`: what it says of a real registry, and what promtool and a real Prometheus say of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use scupper_fleet::{Beat, MemoryUse, Report};
use scupper_model::Bytes;
use serde_json::{Value, json};

use crate::registry::{LONG, Registry};
use crate::scene::{PATIENCE, Running, wait_for};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A coordinator, and where it listens.
struct Served {
    running: Running,
    address: SocketAddr,
}

impl Served {
    fn start(registry: &Registry) -> Self {
        let scene = &registry.scene;
        let mut serve = scene.scupper(&["serve", "--listen", "127.0.0.1:0", "--no-socket", "--ttl", "3s"]);
        serve.env("SCUPPER_REGISTRY", &registry.url).env("SCUPPER_TOKEN", TOKEN);
        serve.stderr(fs::File::create(scene.path("serve.log")).unwrap());
        let running = Running { child: serve.spawn().unwrap() };
        let address = wait_for("it listens", PATIENCE, || {
            let log = scene.text("serve.log");
            let found = log.split("http://").nth(1).and_then(|rest| rest.split([';', ' ', '"', '/']).next());
            found.and_then(|address| address.parse().ok()).ok_or(log)
        });
        Self { running, address }
    }

    fn page(&self) -> String {
        let head = format!("Accept: text/plain\r\nAuthorization: Bearer {TOKEN}\r\n");
        let answer = get(self.address, "/metrics", &head);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Waits until the page has all of these lines.
    fn has(&self, wanted: &[&str]) -> String {
        wait_for("the page says so", PATIENCE, || {
            let page = self.page();
            let missing: Vec<_> =
                wanted.iter().filter(|line| !page.lines().any(|found| found == **line)).collect();
            if missing.is_empty() { Ok(page) } else { Err(format!("{missing:?} in\n{page}")) }
        })
    }
}

fn get(address: SocketAddr, path: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}Connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An agent that beats once, says what it takes, and lives longer than the test.
fn agent(registry: &Registry, id: &str, rss: u64) {
    let who = registry.register(id, LONG);
    let memory = MemoryUse { rss: Some(Bytes::mib(rss)), ..MemoryUse::default() };
    let report = Report { state: "busy".into(), verdict: None, memory };
    registry.store.beat(&[Beat { who, report: Some(report) }]).unwrap();
}

#[test]
fn heavy_r109_the_page_is_that_of_a_real_fleet() {
    let mut registry = Registry::redis();
    agent(&registry, "coder-1", 600);
    agent(&registry, "coder-2", 300);
    let served = Served::start(&registry);
    registry.orphans(&["o1"]);
    let page = served.has(&[
        "scupper_fleet_registry_up 1",
        "agent_count_total{state=\"active\"} 2",
        "scupper_fleet_members 2",
        "agent_orphan_cleanup_count{reason=\"stale_heartbeat\"} 1",
        "scupper_fleet_cleanups_completed_total{reason=\"stale_heartbeat\"} 1",
        "agent_memory_usage_bytes{agent_id=\"coder-1\"} 629145600",
        "memory_leak_detected{threshold=\"100MB\"} 0",
        "scupper_fleet_coordinators 1",
        "scupper_fleet_phase{phase=\"open\"} 1",
    ]);
    assert_promtool_is_content(&page);
    // The page of the binary has every name that is drawn or alerted on.
    let exposed: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let monitor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitor");
    let drawn = fs::read_to_string(monitor.join("dashboards/memory-safety.json")).unwrap()
        + &fs::read_to_string(monitor.join("alerts.yml")).unwrap();
    let words = drawn.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("scupper_fleet_")).collect();
    assert!(named.len() > 20 && named.is_subset(&exposed), "{:?}", named.difference(&exposed));

    let refused = get(served.address, "/metrics", "");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    registry.server.as_mut().unwrap().kill();
    let page = served.has(&["scupper_fleet_registry_up 0"]);
    assert!(!page.contains("agent_count_total{"), "{page}");
}

fn assert_promtool_is_content(page: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else { return eprintln!("skipped: there is no promtool") };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let answer = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
    assert!(answer.status.success() && said.is_empty(), "{said}\n{page}");
}

/// A Prometheus of its own.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// `None` where there is none.
    fn start(directory: &Path, scraped: SocketAddr) -> Option<Self> {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitor/alerts.yml");
        let config = json!({
            "global": { "scrape_interval": "500ms", "evaluation_interval": "500ms" },
            "rule_files": [rules.canonicalize().unwrap()],
            "scrape_configs": [{
                "job_name": "scupper",
                "authorization": { "credentials": TOKEN },
                "static_configs": [{ "targets": [scraped.to_string()] }],
            }],
        });
        let file = directory.join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = fs::File::create(directory.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .ok()?;
        Some(Self { child, address })
    }

    fn api(&self, path: &str) -> Result<Value, String> {
        TcpStream::connect(self.address).map_err(|error| error.to_string())?;
        let answer = get(self.address, path, "");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        let json = body.find('{').and_then(|from| Some(&body[from..=body.rfind('}')?])).unwrap_or_default();
        serde_json::from_str(json).map_err(|_| answer)
    }

    /// Waits until a query has this answer.
    fn answers(&self, query: &str, value: &str) {
        let mut escaped = String::new();
        for byte in query.bytes() {
            let _ = write!(escaped, "%{byte:02X}");
        }
        wait_for(query, PATIENCE, || {
            let said = self.api(&format!("/api/v1/query?query={escaped}"))?;
            let found = &said["data"]["result"][0]["value"][1];
            if *found == json!(value) { Ok(()) } else { Err(said.to_string()) }
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It takes the page as `OpenMetrics`, with the seed's names as they stand, and evaluates every alert on it.
#[test]
fn heavy_r109_a_real_prometheus_reads_the_seeds_names() {
    let registry = Registry::redis();
    agent(&registry, "coder-1", 600);
    let served = Served::start(&registry);
    registry.orphans(&["o1"]);
    let Some(prometheus) = Prometheus::start(&registry.scene.path("state"), served.address) else {
        return eprintln!("skipped: there is no prometheus");
    };
    prometheus.answers("agent_count_total{state=\"active\"}", "1");
    prometheus.answers("agent_orphan_cleanup_count{reason=\"stale_heartbeat\"}", "1");
    prometheus.answers("agent_memory_usage_bytes{agent_id=\"coder-1\"}", "629145600");
    prometheus.answers("memory_leak_detected", "0");
    prometheus.answers("scupper_fleet_cleanups_completed_total{reason=\"stale_heartbeat\"}", "1");
    prometheus.answers("min(up)", "1");
    wait_for("every rule was evaluated", PATIENCE, || {
        let said = prometheus.api("/api/v1/rules")?;
        let groups = said["data"]["groups"].as_array().ok_or_else(|| said.to_string())?;
        let rules: Vec<&Value> =
            groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        let well = |rule: &&Value| rule["health"] == "ok";
        if rules.len() > 10 && rules.iter().all(well) { Ok(()) } else { Err(said.to_string()) }
    });
    served.running.signal(15);
    assert!(served.running.wait().success());
}
