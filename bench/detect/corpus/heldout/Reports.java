import java.util.ArrayList;
import java.util.List;

/** Garbage of GARBAGE_KIB per request, and a report of MIB every EVERY seconds that lives for a few of them. STEP_KIB of each
 *  report stay in an archive. */
final class Reports {
    private static final List<byte[]> archive = new ArrayList<>();
    private static List<byte[]> report = new ArrayList<>();
    private static volatile Object sink;

    public static void main(String[] arguments) throws Exception {
        int garbageKib = Pace.setting("GARBAGE_KIB", 60), mib = Pace.setting("MIB", 10);
        int every = Pace.setting("EVERY", 25), stepKib = Pace.setting("STEP_KIB", 0);
        int[] reports = {0};
        Pace.requests(20, number -> {
            for (int index = 0; index < garbageKib; index++) sink = new byte[1000];
            double phase = Pace.uptime() % every;
            if (phase > 5 && reports[0] <= Pace.uptime() / every) {
                reports[0]++;
                for (int index = 0; index < mib * 1024; index++) report.add(new byte[1000]);
                for (int index = 0; index < stepKib; index++) archive.add(new byte[1000]);
            } else if (phase < 1) {
                report = new ArrayList<>();
            }
        });
    }
}
