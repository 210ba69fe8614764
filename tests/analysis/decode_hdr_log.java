// SPDX-License-Identifier: Apache-2.0
// Reads a log with HdrHistogram's own reader and compares each histogram with
// one into which HdrHistogram itself recorded the same values.
//
// usage: java -cp hdrhistogram.jar decode_hdr_log.java LOG VALUES
//
// VALUES has lines "tag value count". Prints "tag total max" for each line of
// the log; exit 1 after it said what differs.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.HdrHistogram.HistogramLogReader;

class DecodeHdrLog {
    static final long VALUE_MAX = (1L << 42) - 1;
    static final double[] PERCENTILES = {
        0, 0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 99.9999, 100};

    static boolean failed = false;

    static void differ(String tag, String what, Object got, Object want) {
        System.err.println(tag + ": " + what + " is " + got + ", recorded "
            + want);
        failed = true;
    }

    static Map<String, Histogram> recorded(Path file) throws IOException {
        Map<String, Histogram> all = new HashMap<>();
        for (String line : Files.readAllLines(file)) {
            String[] words = line.split(" ");
            Histogram h = all.computeIfAbsent(words[0],
                tag -> new Histogram(1, VALUE_MAX, 2));
            if (words.length == 3) {
                h.recordValueWithCount(Long.parseLong(words[1]),
                    Long.parseLong(words[2]));
            }
        }
        return all;
    }

    static void compare(String tag, Histogram got, Histogram want) {
        if (got.getTotalCount() != want.getTotalCount()) {
            differ(tag, "total", got.getTotalCount(), want.getTotalCount());
        }
        if (got.getMinValue() != want.getMinValue()
            || got.getMaxValue() != want.getMaxValue()) {
            differ(tag, "range", got.getMinValue() + " .. "
                + got.getMaxValue(), want.getMinValue() + " .. "
                + want.getMaxValue());
        }
        for (double p : PERCENTILES) {
            if (got.getValueAtPercentile(p) != want.getValueAtPercentile(p)) {
                differ(tag, "percentile " + p, got.getValueAtPercentile(p),
                    want.getValueAtPercentile(p));
            }
        }
        Iterator<HistogramIterationValue> other =
            want.recordedValues().iterator();
        for (HistogramIterationValue value : got.recordedValues()) {
            HistogramIterationValue expected =
                other.hasNext() ? other.next() : null;
            if (expected == null
                || value.getValueIteratedTo() != expected.getValueIteratedTo()
                || value.getCountAddedInThisIterationStep()
                    != expected.getCountAddedInThisIterationStep()) {
                differ(tag, "a bucket", value, expected);
                return;
            }
        }
        if (other.hasNext()) {
            differ(tag, "the end", "early", other.next());
        }
        if (!got.equals(want)) {
            differ(tag, "the whole", "different", "equal by parts");
        }
    }

    public static void main(String[] args) throws IOException {
        Map<String, Histogram> want = recorded(Path.of(args[1]));
        HistogramLogReader reader = new HistogramLogReader(args[0]);
        while (reader.hasNext()) {
            EncodableHistogram read = reader.nextIntervalHistogram();
            if (read == null) {
                break;
            }
            Histogram got = (Histogram) read;
            String tag = got.getTag();
            System.out.println(tag + " " + got.getTotalCount() + " "
                + got.getMaxValue());
            if (want.containsKey(tag)) {
                compare(tag, got, want.get(tag));
            } else {
                differ(tag, "the tag", "in the log", "nothing");
            }
        }
        reader.close();
        System.exit(failed ? 1 : 0);
    }
}
