use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn redis(text: &str) -> RedisAddress {
    match read(text) {
        Address::Redis(redis) => redis,
        other => panic!("{text}: {other:?}"),
    }
}

fn host(host: &str, port: u16) -> RedisHost {
    RedisHost { host: host.to_owned(), port }
}

#[test]
fn every_kind_of_address_is_read() {
    assert_eq!(redis("redis://localhost").servers, RedisServers::One(host("localhost", 6379)));
    assert_eq!(redis("valkey://localhost/").servers, RedisServers::One(host("localhost", 6379)));
    assert_eq!(redis("redis://[::1]:7000/3").servers, RedisServers::One(host("::1", 7000)));
    assert_eq!(redis("redis://[::1]:7000/3").database, 3);
    assert!(redis("redis://h").seed && !redis("redis+unix:///s?seed=off").seed);
    assert_eq!(redis("rediss://h").tls, Some(TlsFiles::default()));
    assert_eq!(redis("valkeys://h?ca=/etc/ca.pem").tls.unwrap().ca, Some("/etc/ca.pem".into()));
    assert_eq!(redis("redis+unix:///run/r.sock").servers, RedisServers::Socket("/run/r.sock".into()));
    let socket = redis("redis+unix:///run/r.sock?database=2&user=ana&password=x%20y");
    assert_eq!((socket.database, socket.user.as_deref()), (2, Some("ana")));
    assert_eq!(socket.password.unwrap().reveal(), "x y");
    let sentinels = vec![host("a", 26379), host("b", 5000)];
    let sentinel = redis("rediss+sentinel://u:p@a,b:5000/mymaster/1");
    assert_eq!(sentinel.servers, RedisServers::Sentinel { sentinels, master: "mymaster".to_owned() });
    assert_eq!((sentinel.database, sentinel.tls.is_some()), (1, true));
    let nodes = vec![host("a", 1), host("10.0.0.1", 6379)];
    assert_eq!(redis("redis+cluster://a:1,10.0.0.1/0").servers, RedisServers::Cluster(nodes));
    assert_eq!(read("embedded"), Address::Embedded(None));
    assert_eq!(read("embedded:/var/a dir"), Address::Embedded(Some("/var/a dir".into())));
    assert_eq!(read("http://127.0.0.1"), Address::Http { host: "127.0.0.1".to_owned(), port: 9465 });
    assert_eq!(read("http://[::1]:80/"), Address::Http { host: "::1".to_owned(), port: 80 });
    assert_eq!(read("unix:/run/x.sock"), Address::Unix("/run/x.sock".into()));
    assert_eq!(read("unix:///run/x.sock"), Address::Unix("/run/x.sock".into()));
}

#[test]
fn a_user_and_a_password_may_hold_anything() {
    let both = redis("redis://ana:p%40ss%2Fw%3Ard@h");
    assert_eq!((both.user.as_deref(), both.password.unwrap().reveal()), (Some("ana"), "p@ss/w:rd"));
    assert_eq!(redis("redis://:se@cret@h").password.unwrap().reveal(), "se@cret");
    assert_eq!(redis("redis://ana@h").user.as_deref(), Some("ana"));
    assert_eq!((redis("redis://:@h").user, redis("redis://:@h").password), (None, None));
}

#[test]
fn what_is_no_address_is_refused_in_one_line() {
    for text in [
        "",
        "redis",
        "localhost:6379",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:+1",
        "redis://::1",
        "redis://[::1",
        "redis://[zz]",
        "redis://a,b",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h/9999999",
        "redis://h?ca=/x",
        "redis://h?database=1",
        "redis://h?what=1",
        "redis://h?seed=maybe",
        "redis://h?seed=off&seed=on",
        "rediss://h?ca=x",
        "rediss://h?cert=/x",
        "rediss://h?ca=/x&ca=/y",
        "redis+unix://run/r.sock",
        "rediss+unix:///r.sock",
        "redis+sentinel://h",
        "redis+cluster://h/1",
        "redis+what://h",
        "mysql://h",
        "https://h",
        "http://h/path",
        "http://token@h",
        "embedded:",
        "embedded:/",
        "embedded:relative",
        "unix:relative",
        "redis://h\n",
        "unix:/a\u{1b}[2J",
        "redis://a b",
        "redis://%ff:x@h",
        "redis://h#x",
    ] {
        let said = text.parse::<Address>().unwrap_err().to_string();
        assert!(said.contains("is no registry: ") && said.len() < 500, "{said}");
        assert!(!said.contains(char::is_control), "{said}");
    }
    let long = format!("redis://{}", "x".repeat(100_000)).parse::<Address>().unwrap_err().to_string();
    assert!(long.len() < 500, "{long}");
}

#[test]
fn no_error_and_no_text_shows_a_password() {
    for text in [
        "redis://ana:SECRET@h:6379/0",
        "redis://:SECRET@h:port",
        "redis://ana:SECRET",
        "redis://:SECRET/more@h",
        "redis://:a/SECRET@h",
        "redis://:a?SECRET@h",
        "redis://:a#SECRET@h",
        "redis://:SECRET/x",
        "redis://:a/SECRET",
        "redis://a:1,:SECRET",
        "redis+sentinel://:SECRET@h",
        "redis+unix:///s?password=SECRET",
        "redis+unix://s?password=SECRET",
        "redis+unix:///s?pass=SECRET",
        "redis://h?password=SECRET",
        "http://SECRET@h:1",
        "http://SECRET:x@h/y",
        "http://h:SECRET",
        "mysql://ana:SECRET@h",
        ":SECRET@h",
        "ana:SECRET@h",
        "ana:SECRET",
        "redis:ana:SECRET@h",
        "SECRET@x://h",
        "redis://[::1:SECRET@h",
        "redis://[::1]:SECRET",
    ] {
        let said = match text.parse::<Address>() {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!said.contains("SECRET"), "{text}: {said}");
    }
}

fn part() -> impl Strategy<Value = String> {
    "[a-z0-9 @:/?#%&=,.~-]{1,12}"
}

fn hosts(many: usize) -> impl Strategy<Value = Vec<RedisHost>> {
    let name = prop_oneof!["[a-z][a-z0-9.-]{0,20}", Just("::1".to_owned()), Just("127.0.0.1".to_owned())];
    let one = (name, 1..=u16::MAX).prop_map(|(host, port)| RedisHost { host, port });
    proptest::collection::vec(one, 1..=many)
}

fn a_path() -> impl Strategy<Value = PathBuf> {
    "/[a-zA-Z0-9._ %?#@&=-]{1,20}(/[a-z]{1,5})?".prop_map(PathBuf::from)
}

fn servers() -> impl Strategy<Value = RedisServers> {
    prop_oneof![
        hosts(1).prop_map(|mut hosts| RedisServers::One(hosts.remove(0))),
        a_path().prop_map(RedisServers::Socket),
        (hosts(4), part()).prop_map(|(sentinels, master)| RedisServers::Sentinel { sentinels, master }),
        hosts(4).prop_map(RedisServers::Cluster),
    ]
}

fn addresses() -> impl Strategy<Value = Address> {
    let files = (proptest::option::of(a_path()), proptest::option::of((a_path(), a_path())))
        .prop_map(|(ca, client)| TlsFiles { ca, client });
    let redis = (
        servers(),
        proptest::option::of(part()),
        proptest::option::of(part()),
        0..1000u32,
        proptest::option::of(files),
        any::<bool>(),
    )
        .prop_map(|(servers, user, password, database, tls, seed)| {
            let database = if matches!(servers, RedisServers::Cluster(_)) { 0 } else { database };
            let tls = tls.filter(|_| !matches!(servers, RedisServers::Socket(_)));
            let password = password.map(Password::new);
            Address::Redis(RedisAddress { servers, user, password, database, tls, seed })
        });
    prop_oneof![
        redis,
        proptest::option::of("/[a-z @?#%]{1,20}".prop_map(PathBuf::from)).prop_map(Address::Embedded),
        hosts(1).prop_map(|mut hosts| {
            let RedisHost { host, port } = hosts.remove(0);
            Address::Http { host, port }
        }),
        "/[a-z @?#%]{1,20}".prop_map(|path| Address::Unix(path.into())),
    ]
}

proptest! {
    #[test]
    fn an_address_as_it_is_shown_is_the_same_address_without_its_password(address in addresses()) {
        let mut public = address.clone();
        if let Address::Redis(redis) = &mut public {
            redis.password = None;
        }
        let shown = address.to_string();
        prop_assert_eq!(shown.parse::<Address>().unwrap(), public, "{}", shown);
    }

    #[test]
    fn nothing_makes_it_panic_or_say_more_than_a_line(text in ".{0,200}") {
        if let Err(error) = text.parse::<Address>() {
            let said = error.to_string();
            prop_assert!(said.len() < 4000 && !said.contains(char::is_control), "{}", said);
        }
    }

    #[test]
    fn a_refused_password_is_not_shown(
        before in "(redis|http|x)(://)?[a-z]{0,5}:",
        after in "[@/?:#,a-z]{0,8}",
    ) {
        let text = format!("{before}SECRET{after}");
        let said = match text.parse::<Address>() {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => error.to_string(),
        };
        prop_assert!(!said.contains("SECRET"), "{}: {}", text, said);
    }
}
