import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Sessions of BYTES with attributes, made by each request from START seconds on; MOST (0: no bound) are kept. */
final class Sessions {
    record Session(String user, Map<String, String> attributes, byte[] cart) {}

    public static void main(String[] arguments) throws Exception {
        Map<Long, Session> sessions = new ConcurrentHashMap<>();
        int bytes = Pace.setting("BYTES", 3000), most = Pace.setting("MOST", 0), start = Pace.setting("START", 0);
        Pace.requests(Pace.setting("RATE", 25), number -> {
            Map<String, String> attributes = new HashMap<>();
            for (int index = 0; index < 20; index++) attributes.put("attribute" + index, "value " + Math.random());
            if (Pace.uptime() < start) return;
            sessions.put(number, new Session("user" + number, attributes, new byte[bytes]));
            if (most > 0) sessions.remove(number - most);
        });
    }
}
