import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Threads: a pool of MOST that grows with the load within RAMP seconds; or (MOST=0) an executor of its own per client, every
 *  EVERY seconds, that nobody shuts down. */
final class Clients {
    public static void main(String[] arguments) throws Exception {
        int most = Pace.setting("MOST", 0), ramp = Pace.setting("RAMP", 40), every = Pace.setting("EVERY", 4);
        CountDownLatch never = new CountDownLatch(1);
        ExecutorService shared = Executors.newCachedThreadPool();
        int[] started = {0};
        Pace.requests(20, number -> {
            if (most == 0 && started[0] < Pace.uptime() / every) {
                started[0]++;
                Executors.newSingleThreadExecutor().submit(() -> String.format("%d", number));
            }
            while (started[0] < most * Math.min(1, Pace.uptime() / ramp)) {
                started[0]++;
                shared.submit(() -> {
                    byte[] own = new byte[50_000];
                    never.await();
                    return own;
                });
            }
        });
    }
}
