/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wake-ups are made of, with no job and no engine: the limits that the
 * rows of wakes.cc cannot beat. One operation is one wake-up on one thread, or
 * one there and back between two.
 */
#include "other_thread.h"
#include <memory>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{
using namespace measured;

/* ---- on one thread ------------------------------------------------------ */

void run_getppid(uint64_t n)
{
    for (; n > 0; n--) /* not through a wrapper, which may remember it */
        (void)syscall(SYS_getppid);
}

/* Where a wake-up is written, where it is read, and what watches. */
struct {
    int in = -1, out = -1, epoll = -1;
} fds;

std::string open_eventfd()
{
    fds.in = fds.out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fds.in == -1 ? "no eventfd" : "";
}

std::string open_pipe()
{
    int ends[2];

    if (pipe(ends) != 0)
        return "no pipe";
    fds.out = ends[0];
    fds.in = ends[1];
    return fds.out < FD_SETSIZE ? "" : "select() cannot watch it";
}

std::string watch_out(const std::string &why)
{
    struct epoll_event event = {};

    if (!why.empty())
        return why;
    event.events = EPOLLIN;
    fds.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (fds.epoll == -1 ||
        epoll_ctl(fds.epoll, EPOLL_CTL_ADD, fds.out, &event) != 0)
        return "no epoll";
    return "";
}

void close_fds()
{
    close(fds.in);
    if (fds.out != fds.in)
        close(fds.out);
    if (fds.epoll != -1)
        close(fds.epoll);
    fds.in = fds.out = fds.epoll = -1;
}

/* Eight bytes are right for an eventfd and as good as one for a pipe. */
void put(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != sizeof(one))
        wrong_result("a write of 8 bytes failed");
}

void take(int fd)
{
    uint64_t value = 0;

    if (read(fd, &value, sizeof(value)) != sizeof(value) || value != 1)
        wrong_result("a read did not return what was written");
}

void run_write_read(uint64_t n)
{
    for (; n > 0; n--) {
        put(fds.in);
        take(fds.out);
    }
}

void run_epoll(uint64_t n)
{
    struct epoll_event event;

    for (; n > 0; n--) {
        put(fds.in);
        if (epoll_wait(fds.epoll, &event, 1, -1) != 1)
            wrong_result("epoll_wait saw no event");
        take(fds.out);
    }
}

void run_select(uint64_t n)
{
    fd_set set;

    for (; n > 0; n--) {
        put(fds.in);
        FD_ZERO(&set);
        FD_SET(fds.out, &set);
        if (select(fds.out + 1, &set, nullptr, nullptr, nullptr) != 1)
            wrong_result("select saw no descriptor");
        take(fds.out);
    }
}

struct node {
    node *next;
};

/* volatile: the pushes must not be seen through. */
std::atomic<node *> volatile stack_head;

void run_push_drain(uint64_t n)
{
    node mine = {nullptr};

    for (; n > 0; n--) {
        node *head = stack_head.load(std::memory_order_relaxed);

        do
            mine.next = head;
        while (!stack_head.compare_exchange_weak(
            head, &mine, std::memory_order_acq_rel, std::memory_order_relaxed));
        if (stack_head.exchange(nullptr, std::memory_order_acquire) != &mine)
            wrong_result("the stack held another node");
    }
}

/* ---- between two threads ------------------------------------------------ */

signpost there, back;
std::unique_ptr<other_thread> helper;
uint64_t turns;

void end_helper()
{
    helper.reset();
    run_anywhere();
}

std::string open_spin()
{
    std::string why = take_two_cpus();

    if (!why.empty())
        return why;
    turns = 0;
    there.set(0);
    back.set(0);
    helper = std::make_unique<other_thread>([](const auto &over) {
        for (uint64_t i = 1; there.spin_until(i, over); i++)
            back.set(i);
    });
    return "";
}

void run_spin(uint64_t n)
{
    static const std::atomic<bool> never{false};

    for (; n > 0; n--) {
        there.set(++turns);
        (void)back.spin_until(turns, never);
    }
}

struct alignas(SY_CACHE_LINE) bell {
    std::atomic<uint32_t> rung{0};
} bell_there, bell_back;

void ring(bell &b)
{
    b.rung.fetch_add(1, std::memory_order_release);
    futex_wake(b.rung);
}

/* Sleeps at least once unless it was rung already. */
void wait_for(bell &b, uint32_t seen)
{
    while (b.rung.load(std::memory_order_acquire) == seen)
        futex_wait(b.rung, seen);
}

std::string open_futex()
{
    std::string why = take_two_cpus();

    if (!why.empty())
        return why;
    bell_there.rung = 0;
    bell_back.rung = 0;
    helper = std::make_unique<other_thread>(
        [](const auto &over) {
            for (uint32_t seen = 0;; seen++) {
                wait_for(bell_there, seen);
                if (over)
                    return;
                ring(bell_back);
            }
        },
        [] { ring(bell_there); });
    return "";
}

void run_futex(uint64_t n)
{
    for (; n > 0; n--) {
        uint32_t seen = bell_back.rung.load(std::memory_order_relaxed);

        ring(bell_there);
        wait_for(bell_back, seen);
    }
}

/* There by futex, back by an eventfd in an epoll set. */
std::string open_futex_epoll()
{
    std::string why = take_two_cpus();

    if (!why.empty())
        return why;
    why = watch_out(open_eventfd());
    if (!why.empty())
        return why;
    bell_there.rung = 0;
    helper = std::make_unique<other_thread>(
        [](const auto &over) {
            for (uint32_t seen = 0;; seen++) {
                wait_for(bell_there, seen);
                if (over)
                    return;
                put(fds.in);
            }
        },
        [] { ring(bell_there); });
    return "";
}

void run_futex_epoll(uint64_t n)
{
    struct epoll_event event;

    for (; n > 0; n--) {
        ring(bell_there);
        if (epoll_wait(fds.epoll, &event, 1, -1) != 1)
            wrong_result("epoll_wait saw no event");
        take(fds.out);
    }
}

void close_futex_epoll()
{
    end_helper();
    close_fds();
}

std::string nothing()
{
    return "";
}
} // namespace

void measured::add_raw_wakes(scenarios &out, notices &notes)
{
    auto on_one = [&out](const char *name, auto open, auto run, auto close) {
        out.push_back({"raw", name, "", 64, 1, open, run, nullptr, close});
    };
    auto on_two = [&out](const char *name, auto open, auto run, auto close) {
        out.push_back(
            {"there_and_back", name, "", 8, 1, open, run, nullptr, close});
    };

    on_one("getppid", nothing, run_getppid, [] {});
    on_one("eventfd", open_eventfd, run_write_read, close_fds);
    on_one(
        "eventfd+epoll", [] { return watch_out(open_eventfd()); }, run_epoll,
        close_fds);
    on_one(
        "pipe+epoll", [] { return watch_out(open_pipe()); }, run_epoll,
        close_fds);
    on_one("pipe+select", open_pipe, run_select, close_fds);
    add_raw_uring(out, notes);
    on_one("push_drain", nothing, run_push_drain, [] {});
    if (cpus().there < 0) {
        notes.push_back("hand-overs between two CPUs: there is only one");
        return;
    }
    on_two("spin", open_spin, run_spin, end_helper);
    on_two("futex", open_futex, run_futex, end_helper);
    on_two("futex,eventfd+epoll", open_futex_epoll, run_futex_epoll,
           close_futex_epoll);
}
