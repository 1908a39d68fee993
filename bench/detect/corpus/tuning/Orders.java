import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** Order service: garbage, the WINDOW last orders, a cache of CACHE entries, and LEAK_BYTES per order that stay. */
final class Orders {
    private static final List<byte[]> kept = new ArrayList<>();
    private static final ArrayDeque<List<byte[]>> window = new ArrayDeque<>();

    public static void main(String[] arguments) throws Exception {
        int garbageKib = Pace.setting("GARBAGE_KIB", 100);
        int windowSize = Pace.setting("WINDOW", 20);
        int leakBytes = Pace.setting("LEAK_BYTES", 0);
        int cacheSize = Pace.setting("CACHE", 0);
        Map<Long, byte[]> cache = new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<Long, byte[]> eldest) {
                return size() > cacheSize;
            }
        };
        Pace.requests(Pace.setting("RATE", 20), number -> {
            List<byte[]> order = new ArrayList<>();
            for (int row = 0; row < garbageKib; row++) order.add(new byte[1000]);
            window.add(order);
            if (window.size() > windowSize) window.remove();
            String text = String.format("order %d of %s, %f", number, Thread.currentThread(), Math.random());
            Pattern.compile("[0-9]+").matcher(text).replaceAll("#");
            if (leakBytes > 0) kept.add(new byte[leakBytes]);
            if (cacheSize > 0) cache.put(number, new byte[8000]);
        });
    }
}
