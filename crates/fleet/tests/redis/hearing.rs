//! What a coordinator hears from the server of cleanups that begin.

use std::sync::Arc;
use std::time::Duration;

use scupper_fleet::{RedisLimits, RedisStore, Store, SystemClock};

use crate::fixture::{Cluster, Redis, address, until};
use crate::listening;
use crate::suite::Fixture;

fn heard_in_time(
    store: &Arc<dyn Store>,
    b: &dyn Store,
    pass: &dyn Fn(Duration),
    is_heard: &dyn Fn() -> bool,
) {
    let a = listening::coordinator(Arc::clone(store), Arc::new(SystemClock));
    listening::member(&*a.batch());
    listening::while_listening(a.listening(), || {
        until("somebody who listens", || is_heard().then_some(()));
        let claim = listening::claimed(b, pass);
        listening::is_kept(b, &claim);
    });
}

/// On a connection that was quiet for a while, as most are.
#[test]
fn r114_a_coordinator_on_another_host_objects_as_soon_as_the_server_tells_of_a_claim() {
    let redis = Redis::start();
    let limits = RedisLimits { answer: Duration::from_millis(300), ..crate::fixture::limits() };
    let url = redis.server().url();
    let store: Arc<dyn Store> = Arc::new(RedisStore::open_with(&address(&url), limits).unwrap());
    let listens = || redis.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]).contains("cmd=ping");
    heard_in_time(&store, redis.redis(), &|time| redis.pass(time), &listens);
    // Nobody listens where every heartbeat is told.
    assert!(redis.ask(&["PUBSUB", "NUMSUB", "agent:lifecycle"]).ends_with('0'));
}

#[test]
fn r114_in_a_cluster_it_hears_it_as_well() {
    let cluster = Cluster::start();
    let listens = || cluster.servers().iter().any(|node| node.ask(&["PUBSUB", "CHANNELS"]).contains("begun"));
    heard_in_time(&cluster.store(), &*cluster.store(), &|time| cluster.pass(time), &listens);
}

/// The server is killed while somebody listens: he listens again, and asks first what he has missed.
#[test]
fn r114_who_listens_goes_on_when_the_server_is_back() {
    let redis = Redis::start();
    let store = redis.store();
    let begun = std::sync::Mutex::new(Vec::new());
    let hear = || store.listen(&|| false, &mut |id| begun.lock().unwrap().push(id.cloned()));
    std::thread::scope(|scope| {
        let first = scope.spawn(hear);
        until("somebody who listens", || (begun.lock().unwrap().len() == 1).then_some(()));
        assert!(redis.restart());
        assert!(first.join().unwrap().is_err_and(|error| error.is_outage()));
        let second = scope.spawn(|| {
            let heard = || begun.lock().unwrap().len() == 4;
            store.listen(&heard, &mut |id| begun.lock().unwrap().push(id.cloned()))
        });
        until("the second time", || (begun.lock().unwrap().len() == 2).then_some(()));
        for text in ["agent-7", "no name at all\n", "agent-8"] {
            redis.ask(&["PUBLISH", "scupper:{0}:begun", text]);
        }
        assert!(second.join().unwrap().unwrap());
    });
    let names: Vec<_> = begun.into_inner().unwrap().into_iter().flatten().map(|id| id.to_string()).collect();
    assert_eq!(names, ["agent-7", "agent-8"]);
}
