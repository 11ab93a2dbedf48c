// SPDX-License-Identifier: Apache-2.0
// See load.js.

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.function.IntToDoubleFunction;

public final class Load {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static double sink = 0;

    static double seventy(int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += Math.sqrt(i) * 1.5;
        }
        return sum;
    }

    static double thirty(int n) {
        double sum = 1;
        for (int i = 1; i < n; i++) {
            sum += Math.sqrt(sum + i);
        }
        return sum;
    }

    private static long runFor(IntToDoubleFunction work, long ns) {
        long begin = THREADS.getCurrentThreadCpuTime();
        long spent = 0;
        while (spent < ns) {
            sink += work.applyAsDouble(200000);
            spent = THREADS.getCurrentThreadCpuTime() - begin;
        }
        return spent;
    }

    public static void main(String[] arguments) {
        long seventy = 0;
        long thirty = 0;
        long end = System.nanoTime() + (long) (Double.parseDouble(arguments[0]) * 1e9);
        while (System.nanoTime() < end) {
            seventy += runFor(Load::seventy, 70_000_000);
            thirty += runFor(Load::thirty, 30_000_000);
        }
        System.out.printf("{\"program\":\"Load.java\",\"pid\":%d,\"functions\":{\"seventy\":%d,\"thirty\":%d},\"sink\":%b}%n",
                ProcessHandle.current().pid(), seventy, thirty, sink > 0);
    }
}
