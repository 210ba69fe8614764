/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated accelerator on a virtual clock: times to the nanosecond, in
   order, nothing lost when it is full; and errors in trace files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <unistd.h>

#define OPS_MAX 64
#define US      SY_NS_PER_US

static int bad;

static void expect(const char *what, uint64_t got, uint64_t expected)
{
    if (got == expected)
        return;
    printf("%s: %llu, expected %llu\n", what, (unsigned long long)got,
           (unsigned long long)expected);
    bad = 1;
}

/* A device with its clock, and operations that note the order of their
   announcements. */
struct bench {
    struct sy_virtual_clock vc;
    struct sy_device *device;
    struct sy_device_op op[OPS_MAX];
    int executed[OPS_MAX];
    size_t order[OPS_MAX];
    size_t announced;
};

struct note {
    struct bench *bench;
    size_t number;
};
static struct note notes[OPS_MAX];

static void announced(struct sy_waker waker, void *user)
{
    struct note *note = user;

    (void)waker;
    note->bench->order[note->bench->announced++] = note->number;
}

static int execute(void *arg)
{
    return ++*(int *)arg == 1 ? -EDOM : 0; /* an answer to recognise */
}

static void bench_open(struct bench *b, const char *spec)
{
    char why[512];

    memset(b, 0, sizeof(*b));
    sy_virtual_clock_init(&b->vc, 1000000);
    if (sy_device_open(&b->device, spec, &b->vc.clock, why, sizeof(why)) != 0) {
        printf("%s: %s\n", spec, why);
        exit(1);
    }
}

static void submit(struct bench *b, size_t i)
{
    notes[i] = (struct note){b, i};
    b->op[i].execute = execute;
    b->op[i].arg = &b->executed[i];
    b->op[i].notify = announced;
    b->op[i].user = &notes[i];
    sy_device_submit(b->device, &b->op[i]);
}

/* Poll whenever it is worth while, until nothing is pending. */
static void run(struct bench *b)
{
    uint64_t next_ns;

    for (;;) {
        sy_device_poll(b->device, &next_ns);
        if (next_ns == SY_FOREVER)
            return;
        b->vc.clock.sleep_until(&b->vc.clock, next_ns);
    }
}

static uint64_t took_ns(const struct bench *b, size_t i)
{
    return b->op[i].completed_ns - b->op[i].submitted_ns;
}

/* M/D/1 and its like: operation i of a burst is done after i + 1 services. */
static void one_server(void)
{
    struct sy_device_stats stats;
    struct bench b;
    uint64_t next_ns;

    bench_open(&b, "sim:1,service=fixed:50us");
    expect("polls of an idle device",
           (uint64_t)sy_device_poll(b.device, &next_ns), 0);
    expect("next of an idle device", next_ns, SY_FOREVER);
    for (size_t i = 0; i < 10; i++)
        submit(&b, i);
    expect("done before its time", (uint64_t)sy_device_op_done(&b.op[0]), 0);
    run(&b);
    expect("announced", b.announced, 10);
    for (size_t i = 0; i < 10; i++) {
        expect("order", b.order[i], i);
        expect("burst", took_ns(&b, i), (i + 1) * 50 * US);
        expect("executed", (uint64_t)b.executed[i], 1);
        expect("status", (uint64_t)-b.op[i].status, EDOM);
        expect("done", (uint64_t)sy_device_op_done(&b.op[i]), 1);
    }

    /* Arrivals every 80 us never wait; the second of two at once does. */
    for (size_t i = 0; i < 4; i++) {
        submit(&b, i);
        b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 50 * US);
        run(&b);
        b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 30 * US);
        expect("spaced", took_ns(&b, i), 50 * US);
    }
    submit(&b, 0);
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 20 * US);
    submit(&b, 1);
    run(&b);
    expect("waited for the rest of another", took_ns(&b, 1), 80 * US);

    sy_device_get_stats(b.device, &stats);
    expect("submitted", stats.submitted, 16);
    expect("completed", stats.completed, 16);
    expect("refused", stats.refused, 0);
    expect("depth_peak", stats.depth_peak, 10);
    expect("late_count", stats.late_count, 16);
    expect("late_sum_ns", stats.late_sum_ns, 0);
    sy_device_close(b.device);
}

static void many_servers(void)
{
    struct bench b;

    bench_open(&b, "sim:servers=4,service=fixed:1.5us,execute=no");
    for (size_t i = 0; i < 10; i++)
        submit(&b, i);
    run(&b);
    for (size_t i = 0; i < 10; i++) {
        expect("order of 4 servers", b.order[i], i);
        expect("4 servers", took_ns(&b, i), (i / 4 + 1) * 1500);
        expect("execute=no", (uint64_t)b.executed[i], 0);
        expect("status of execute=no", (uint64_t)b.op[i].status, 0);
    }
    sy_device_close(b.device);
}

static void full_queue(void)
{
    struct sy_device_stats stats;
    struct bench b;

    bench_open(&b, "sim:1,service=fixed:10us,queue=3");
    for (size_t i = 0; i < 20; i++)
        submit(&b, i);
    run(&b);
    expect("announced through a full queue", b.announced, 20);
    for (size_t i = 0; i < 20; i++) {
        expect("order through a full queue", b.order[i], i);
        expect("time through a full queue", took_ns(&b, i), (i + 1) * 10 * US);
    }
    sy_device_get_stats(b.device, &stats);
    expect("refused", stats.refused, 17);
    expect("depth_peak of a full queue", stats.depth_peak, 3);
    expect("completed", stats.completed, 20);

    /* Closed: those inside and those in line are cancelled, in order. */
    b.announced = 0;
    for (size_t i = 0; i < 7; i++)
        submit(&b, i);
    sy_device_close(b.device);
    expect("announced by close", b.announced, 7);
    for (size_t i = 0; i < 7; i++) {
        expect("order of close", b.order[i], i);
        expect("status of close", (uint64_t)-b.op[i].status, ECANCELED);
        expect("not executed again", (uint64_t)b.executed[i], 1);
    }
}

/* Batches of 4: an operation is announced when its batch is complete, or when
   nothing more is inside, or when somebody polls. */
static void batches(void)
{
    struct sy_device_stats stats;
    struct bench b;
    uint64_t next_ns;

    bench_open(&b, "sim:1,service=fixed:10us,batch=4");
    for (size_t i = 0; i < 10; i++)
        submit(&b, i);
    run(&b);
    for (size_t i = 0; i < 10; i++) {
        uint64_t end = i / 4 * 4 + 4;

        expect("order in batches", b.order[i], i);
        expect("time in batches", took_ns(&b, i),
               (end > 10 ? 10 : end) * 10 * US);
    }
    for (size_t i = 0; i < 4; i++)
        submit(&b, i);
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 25 * US);
    expect("announced by an early poll",
           (uint64_t)sy_device_poll(b.device, &next_ns), 2);
    expect("next after it", next_ns, b.vc.now_ns + 15 * US);
    run(&b);
    sy_device_get_stats(b.device, &stats);
    expect("late_sum_ns in batches", stats.late_sum_ns, 0);
    sy_device_close(b.device);
}

/* Batches of 4 that wait 1 ms for more: two are announced then, whoever polls
   before; four as soon as the last of them is due, and one that comes late
   takes the place that was free. */
static void gathered_batches(void)
{
    struct bench b;
    uint64_t next_ns, began_ns;

    bench_open(&b, "sim:4,service=fixed:10us,batch=4,gather=1ms");
    began_ns = b.vc.now_ns;
    submit(&b, 0);
    submit(&b, 1);
    b.vc.clock.sleep_until(&b.vc.clock, began_ns + 500 * US);
    expect("an early poll of a batch",
           (uint64_t)sy_device_poll(b.device, &next_ns), 0);
    expect("next of a batch", next_ns, began_ns + 1010 * US);
    run(&b);
    expect("time of an incomplete batch", took_ns(&b, 0), 1010 * US);
    expect("time of its last", took_ns(&b, 1), 1010 * US);

    began_ns = b.vc.now_ns;
    for (size_t i = 0; i < 3; i++)
        submit(&b, i);
    b.vc.clock.sleep_until(&b.vc.clock, began_ns + 100 * US);
    submit(&b, 3);
    run(&b);
    expect("time of the first of four", took_ns(&b, 0), 110 * US);
    expect("time of the last of four", took_ns(&b, 3), 10 * US);

    submit(&b, 0);
    sy_device_close(b.device);
    expect("status of close", (uint64_t)-b.op[0].status, ECANCELED);
}

static void lateness(void)
{
    struct sy_device_stats stats;
    struct bench b;

    bench_open(&b, "sim:1,service=fixed:10us");
    submit(&b, 0);
    submit(&b, 1);
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 25 * US);
    run(&b);
    sy_device_get_stats(b.device, &stats);
    expect("late_max_ns", stats.late_max_ns, 15 * US);
    expect("late_sum_ns", stats.late_sum_ns, 20 * US);
    expect("late_count", stats.late_count, 2);
    sy_device_close(b.device);
}

/* Computing takes 30 us of the clock, which is not lateness of the operation
   itself but of the one behind it. */
static int compute(void *clock)
{
    struct sy_virtual_clock *vc = clock;

    vc->clock.sleep_until(&vc->clock, vc->now_ns + 30 * US);
    return 0;
}

static void lateness_by_computing(void)
{
    struct sy_device_stats stats;
    struct sy_device_op op[2];
    struct bench b;

    bench_open(&b, "sim:1,service=fixed:10us");
    memset(op, 0, sizeof(op));
    for (int i = 0; i < 2; i++) { /* due at 10 and 20 us */
        op[i].execute = compute;
        op[i].arg = &b.vc;
        sy_device_submit(b.device, &op[i]);
    }
    for (int i = 0; i < 2; i++) { /* begun at 10 and 40 us */
        uint64_t due_ns = b.vc.now_ns + 10 * US;

        b.vc.clock.sleep_until(&b.vc.clock, i == 0 ? due_ns : 0);
        expect("announced", (uint64_t)sy_device_poll(b.device, NULL), 1);
    }
    sy_device_get_stats(b.device, &stats);
    expect("late_max_ns", stats.late_max_ns, 20 * US);
    expect("late_sum_ns", stats.late_sum_ns, 20 * US);
    expect("took", b.vc.now_ns - op[0].submitted_ns, 70 * US);
    sy_device_close(b.device);
}

/* An overtaking server: due order, not submission order; and the same seed,
   the same times. */
static void random_times(const char *spec, double mean_ns)
{
    static uint64_t times[2][2000];
    double sum = 0;
    struct bench b;

    for (int round = 0; round < 2; round++) {
        bench_open(&b, spec);
        for (size_t i = 0; i < 2000; i++) {
            b.announced = 0;
            submit(&b, 0);
            run(&b);
            times[round][i] = took_ns(&b, 0);
            sum += (double)times[round][i];
        }
        b.announced = 0;
        for (size_t i = 0; i < OPS_MAX; i++)
            submit(&b, i);
        run(&b);
        expect("announced", b.announced, OPS_MAX);
        for (size_t i = 1; i < OPS_MAX; i++)
            if (b.op[b.order[i]].completed_ns <
                b.op[b.order[i - 1]].completed_ns) {
                printf("%s: announced out of due order\n", spec);
                bad = 1;
            }
        sy_device_close(b.device);
    }
    if (memcmp(times[0], times[1], sizeof(times[0])) != 0) {
        printf("%s: the same seed gave other times\n", spec);
        bad = 1;
    }
    sum /= 4000;
    if (sum < mean_ns * 0.85 || sum > mean_ns * 1.15) {
        printf("%s: mean %.0f ns, expected about %.0f\n", spec, sum, mean_ns);
        bad = 1;
    }
}

static void trace_file(const char *text, const char *expected)
{
    char path[] = "/tmp/switchyard-trace-XXXXXX", spec[256], why[512];
    int fd = mkstemp(path);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");
    struct bench b;

    if (file == NULL) {
        printf("no temporary file\n");
        exit(1);
    }
    fputs(text, file);
    fclose(file);
    snprintf(spec, sizeof(spec), "sim:service=trace:%s,mode=poll", path);
    if (expected == NULL) {
        bench_open(&b, spec);
        for (size_t i = 0; i < 5; i++)
            submit(&b, i);
        run(&b);
        expect("trace 1", took_ns(&b, 0), 5);
        expect("trace 2", took_ns(&b, 1), 5 + 70);
        expect("trace 3", took_ns(&b, 2), 5 + 70 + 0);
        expect("trace, again from the start", took_ns(&b, 4), 75 + 75);
        sy_device_close(b.device);
    } else {
        int err = sy_device_open(&b.device, spec, NULL, why, sizeof(why));

        if (err != -EINVAL || strstr(why, path) == NULL ||
            strstr(why, expected) == NULL) {
            printf("trace \"%s\": %d, \"%s\"; expected %d, \"%s\"\n", text, err,
                   why, -EINVAL, expected);
            bad = 1;
        }
    }
    unlink(path);
}

/* The device's own thread, in real time. */
static void device_thread(void)
{
    static int done[2];
    struct sy_device *device;
    struct sy_device_op op[2];
    struct sy_device_stats stats;
    char why[512];

    if (sy_device_open(&device, "sim:2,service=fixed:2ms,mode=thread", NULL,
                       why, sizeof(why)) != 0) {
        printf("mode=thread: %s\n", why);
        bad = 1;
        return;
    }
    memset(op, 0, sizeof(op));
    for (int i = 0; i < 2; i++) {
        op[i].execute = execute;
        op[i].arg = &done[i];
        sy_device_submit(device, &op[i]);
    }
    for (int ms = 0;
         ms < 5000 && !(sy_device_op_done(&op[0]) && sy_device_op_done(&op[1]));
         ms++)
        usleep(1000);
    for (int i = 0; i < 2; i++) {
        expect("done by the thread", (uint64_t)sy_device_op_done(&op[i]), 1);
        if (op[i].completed_ns - op[i].submitted_ns < 2 * SY_NS_PER_MS) {
            printf("the thread was early\n");
            bad = 1;
        }
    }
    sy_device_get_stats(device, &stats);
    expect("late_count of the thread", stats.late_count, 2);
    sy_device_submit(device, &op[0]);
    sy_device_close(device);
    expect("closed", (uint64_t)-op[0].status, ECANCELED);
}

/* Counted from the first operation, not from opening: what is being served is
   longer by the stall, what would begin in it begins after it. */
static void a_stall(void)
{
    struct bench b;

    bench_open(&b, "sim:servers=2,service=fixed:50us,stall=120us:1ms");
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 500 * US);
    submit(&b, 0);
    submit(&b, 1); /* both are done before it */
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 70 * US);
    submit(&b, 2); /* done when it begins */
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 20 * US);
    submit(&b, 3); /* is being served */
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 500 * US);
    submit(&b, 4); /* comes in the middle of it */
    b.vc.clock.sleep_until(&b.vc.clock, b.vc.now_ns + 2000 * US);
    submit(&b, 5); /* after it: there is only one */
    run(&b);
    expect("announced", b.announced, 6);
    expect("before", b.op[1].due_ns - b.op[1].submitted_ns, 50 * US);
    expect("just before", b.op[2].due_ns - b.op[2].submitted_ns, 50 * US);
    expect("within", b.op[3].due_ns - b.op[3].submitted_ns, 1050 * US);
    expect("in it", b.op[4].due_ns - b.op[4].submitted_ns,
           (30 + 500) * US + 50 * US);
    expect("after", b.op[5].due_ns - b.op[5].submitted_ns, 50 * US);
    sy_device_close(b.device);
}

int main(void)
{
    one_server();
    a_stall();
    many_servers();
    full_queue();
    batches();
    gathered_batches();
    lateness();
    lateness_by_computing();
    random_times("sim:4,service=exponential:50us,seed=7", 50e3);
    random_times("sim:4,service=lognormal:50us:0.3,batch=3,seed=7", 52.3e3);
    trace_file("5\n70\n0\n", NULL);
    trace_file("5\n70\n0", NULL);
    trace_file("", "empty");
    trace_file("5\n7x\n", ":2: not a service time");
    trace_file("5\n\n7\n", ":2: not a service time");
    trace_file("5\n6\n-7\n", ":3: not a service time");
    trace_file("1e5\n", ":1: not a service time");
    trace_file("1K\n", ":1: not a service time");
    trace_file("3600000000001\n", ":1: not a service time");
    trace_file("99999999999999999999999\n", ":1: not a service time");
    device_thread();
    return bad;
}
