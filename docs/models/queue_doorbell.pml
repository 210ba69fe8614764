/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doorbell protocol of engines/queue/queue.c, with the merging of wakes in
 * core/waker.c above it: wakers on threads of their own, one runtime that
 * looks, spins and sleeps. README.md says how to check it and what for.
 *
 * -DFOREIGN  the runtime's descriptor (an eventfd) is watched by a loop of
 *            somebody else's; otherwise the runtime sleeps in a futex
 * -DEDGE     with FOREIGN: that loop watches for edges, not for the level
 * -DMAX=1    wait returns one slot at a time
 * -DFAULT    look first and arm after it, with a plain store: must be found
 * -DLATE     with FOREIGN: clear the eventfd after arming: must be found
 *
 * Every atomic read-modify-write of the C code is one atomic step here, and
 * every load of shared memory one of its own; steps of different threads are
 * interleaved in all ways. All that decides is in read-modify-writes of head
 * and word, so that a model with one order of all steps leaves out nothing
 * that decides; what is published by them is for ThreadSanitizer to check.
 */
#ifndef WAKERS
#define WAKERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* wakes of each waker */
#endif
#define SLOTS 2
#ifndef MAX
#define MAX 255 /* slots that wait may return */
#endif

/* head: 0, ASLEEP, or 1 + the index of the newest slot. */
#define EMPTY  0
#define ASLEEP 255
#define NOBODY 0

byte head = EMPTY;
byte next_of[SLOTS]; /* as head: 0 is the end */

/* The words of the slots. */
bool permit[SLOTS];
bool queued[SLOTS];

/* The doorbell: a futex, or an eventfd with the mark of an edge. */
byte rings_done = 0;
byte bell = 0;
bool edge = false;
bool sleeping = false;

/* What the jobs wait for, which is what wakes are about. */
byte letters[SLOTS];
byte taken = 0;
byte wakers_left = WAKERS;

#define TOTAL (WAKERS * ROUNDS)

/* ---- the wakers: sy_wake(), queue_wake(), ring() ------------------------ */

inline ring()
{
#ifdef FOREIGN
    atomic { bell++; edge = true }
    rings_done++
#else
    rings_done++;
    sleeping = false /* FUTEX_WAKE; for nothing if nobody sleeps */
#endif
}

inline push(s)
{
    seen = head;
    do
    :: next_of[s] = (seen == ASLEEP -> EMPTY : seen);
       atomic {
           if
           :: head == seen -> head = s + 1; swapped = true
           :: else -> seen = head; swapped = false
           fi
       }
       if
       :: swapped -> break
       :: else
       fi
    od;
    if
    :: seen == ASLEEP -> ring()
    :: else
    fi
}

proctype waker(byte me)
{
    byte slot, seen, rounds;
    bool was_queued, swapped;

    do
    :: rounds == ROUNDS -> break
    :: else ->
       slot = (me + rounds) % SLOTS;
       letters[slot]++;
       d_step {
           was_queued = queued[slot];
           permit[slot] = true;
           queued[slot] = true
       }
       if
       :: was_queued
       :: else -> push(slot)
       fi;
       rounds++
    od;
    wakers_left--
}

/* ---- the runtime -------------------------------------------------------- */

byte pending = EMPTY;
bool armed = false;
byte unread = 0;
byte rings_due = 0;

/* gather(): take all that was pushed, oldest first to pending, and disarm. */
inline gather()
{
    list = head;
    if
    :: list == EMPTY
#ifdef FOREIGN
    :: list == ASLEEP && unread == 0
#endif
    :: else ->
       atomic { list = head; head = EMPTY }
       if
       :: armed && list == ASLEEP -> armed = false; list = EMPTY
       :: armed && list != ASLEEP ->
          armed = false;
          rings_due++;
#ifdef FOREIGN
          unread++
#endif
       :: else
       fi;
       do
       :: list == EMPTY || list == ASLEEP -> break
       :: else ->
          older = next_of[list - 1];
          next_of[list - 1] = pending;
          pending = list;
          list = older
       od
    fi
}

/* arm(): armed says whether the next push rings. */
inline arm()
{
    if
    :: armed
    :: else ->
#ifdef FAULT
       list = head; /* the look, */
       if
       :: list == EMPTY -> head = ASLEEP; armed = true /* and then the store */
       :: else
       fi
#else
       atomic {
           if
           :: head == EMPTY -> head = ASLEEP; armed = true
           :: else
           fi
       }
#endif
    fi
}

/* note_paused() in core/runtime.c and the resumption of the job: it takes all
   letters, whoever brought them. */
inline note(s)
{
    d_step {
        woken = permit[s];
        queued[s] = false;
        permit[s] = false
    }
    if
    :: woken -> in_ready[s] = true
    :: else
    fi
}

inline resume_ready()
{
    i = 0;
    do
    :: i == SLOTS -> break
    :: else ->
       if
       :: in_ready[i] ->
          in_ready[i] = false;
          /* A permit set since is for this resumption: has_permit() and
             sy__clear_permit(). */
          if
          :: permit[i] -> permit[i] = false
          :: else
          fi;
          d_step { taken = taken + letters[i]; letters[i] = 0 }
       :: else
       fi;
       i++
    od
}

/* collect(): what is there, MAX slots at most; adds to n. */
inline collect_all()
{
    do
    :: n == MAX -> break
    :: n < MAX && pending != EMPTY ->
       s = pending - 1;
       pending = next_of[s];
       note(s);
       n++
    :: n < MAX && pending == EMPTY ->
       gather();
       if
       :: pending == EMPTY -> break
       :: else
       fi
    od
}

/* The spin before a sleep: queue_peek() until something is there, or until it
   is time to sleep, which may be at once. A look changes nothing, so one that
   finds something stands for many before it that did not. */
inline spin_awhile()
{
    if
    :: atomic {
           pending != EMPTY || (head != EMPTY && head != ASLEEP);
           spun = true
       }
    :: spun = false
    fi
}

#ifdef FOREIGN

inline ring_own()
{
    atomic { bell++; edge = true };
    unread++
}

inline clear_bell()
{
    atomic {
#ifndef LATE
        assert(unread >= bell);
#endif
        unread = (unread > bell -> unread - bell : 0);
        bell = 0
    }
}

/* wait_on_bell() with timeout 0, and a loop that calls it when the descriptor
   is readable. It may also spin before it sleeps, and call at once if there is
   something. */
active proctype runtime()
{
    byte list, older, s, n, i;
    bool woken, spun;
    bool in_ready[SLOTS];

    arm();
    do
    :: taken == TOTAL -> break
    :: else ->
       n = 0;
again:
       collect_all();
#if MAX < SLOTS
       if
       :: n == MAX -> ring_own(); goto resume
       :: else
       fi;
#endif
#ifndef LATE
       if
       :: unread > 0 -> clear_bell()
       :: else
       fi;
#endif
       arm();
       if
       :: !armed -> goto again
       :: else
       fi;
#ifdef LATE
       clear_bell();
#endif
resume:
       resume_ready();
       if
       :: taken == TOTAL -> break
       :: else ->
          spin_awhile();
          if
          :: spun
#ifdef EDGE
          :: atomic { edge -> edge = false }
#else
          :: bell > 0
#endif
          fi
       fi
    od;
    assert(letters[0] + letters[1] == 0)
}

#else

/* sy_runtime_run() over wait_on_futex(): look, spin, look, arm, sleep. A sleep
   has no time-out: a wake-up that is lost is one for ever. */
active proctype runtime()
{
    byte list, older, s, n, i, rings_seen;
    bool woken, spun;
    bool in_ready[SLOTS];

    do
    :: taken == TOTAL -> break
    :: else ->
       n = 0;
       spin_awhile();
       collect_all();
       do
       :: n > 0 -> break
       :: else ->
          rings_seen = rings_done;
          arm();
          if
          :: armed ->
             /* FUTEX_WAIT: compare and sleep are one step. */
             atomic {
                 if
                 :: rings_done == rings_seen -> sleeping = true
                 :: else
                 fi
             }
             !sleeping
          :: else
          fi;
          collect_all()
       od;
       resume_ready()
    od;
    assert(letters[0] + letters[1] == 0)
}

#endif

/* What close relies on: whoever is due to ring is known. */
active proctype closer()
{
    taken == TOTAL && wakers_left == 0;
    assert(rings_done <= rings_due + 1)
}

init {
    byte w = 0;

    atomic {
        do
        :: w == WAKERS -> break
        :: else -> run waker(w); w++
        od
    }
}

/* No wake-up is lost: sooner or later every letter is taken. Checked with weak
   fairness: no thread that can go on is passed over for ever. */
ltl none_lost { <> (taken == TOTAL) }
