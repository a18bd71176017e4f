/* Callers that wait until their leaves are durable: who leads a flight, who comes aboard, who sleeps, and when the
 * background thread leads. Must not know what a flight writes. */
#include "store/store.h"

#include <sched.h>

/* How often a caller steps back before it sleeps: with many callers so many rounds take longer than a sync. */
#define MOST_YIELDS 4
/* One caller for whom it was in vain outweighs so many for whom it was not, of whom so many are remembered. When they
 * have the better of it nobody steps back for a while. */
#define SLEEP_WEIGHT 2
#define MOST_CREDIT 256
/* Stepping back for so long means that others have the processors than callers of this tree. It may have been for a
 * moment only: the system clears a huge page, the host takes a processor away. */
#define SLOW_YIELD_NS 2000000u
/* A leader lingers for as long as a flight takes, but not longer than this. After one did so in vain the next are
 * content with half as many, and that again so often at most, for up to so many flights. */
#define MOST_LINGER_NS 1000000u
#define MOST_MODESTY 16
#define MOST_MODEST_FLIGHTS 63

/* ---- callers */

static bool is_durable(const rotor_store *store, const rotor_token *token) {
    return rotor_token_order(token, &store->durable) <= 0;
}

/* The same without the mutex. A size that is newer than the epoch beside it belongs to a moment that is later still, so
 * the answer is never wrong when it is yes. */
static bool is_seen_durable(const rotor_store *store, const rotor_token *token) {
    rotor_token seen = {.epoch = atomic_load_explicit(&store->durable_epoch, memory_order_acquire)};
    seen.size = atomic_load_explicit(&store->durable_size, memory_order_acquire);
    return rotor_token_order(token, &seen) <= 0;
}

rotor_status rotor_store_token_status(rotor_store *store, const rotor_token *token) {
    if (store->read_only) {
        return ROTOR_OK;
    }
    pthread_mutex_lock(&store->mutex);
    rotor_status status = is_durable(store, token)      ? ROTOR_OK
                          : atomic_load(&store->failed) ? ROTOR_FAILED
                                                        : ROTOR_PENDING;
    pthread_mutex_unlock(&store->mutex);
    return status;
}

/* Lets others have the processor, among them those who are to come aboard or have the next leaf. False when that took
 * so long that it was of no use. */
static bool step_back(rotor_store *store) {
    uint64_t begin = rotor_now_ns();
    if (rotor_pause_holds(&store->busy, begin)) {
        return false;
    }
    (void)sched_yield();
    uint64_t end = rotor_now_ns();
    if (end - begin > SLOW_YIELD_NS) {
        rotor_pause_begin(&store->busy, end);
        return false;
    }
    return true;
}

/* How many callers have come since the last flight took off. */
static uint64_t count_arrivals(const rotor_store *store) {
    return atomic_load_explicit(&store->arrivals, memory_order_relaxed) - store->boarded;
}

/* Whether these are fewer than the leader waits for: as many as there were when it landed, or only half of them, a
 * quarter and so on where that was in vain. */
static bool misses_some(const rotor_store *store) {
    return count_arrivals(store) < store->crowd >> store->modesty;
}

/* Becomes more demanding again after some flights: the more of them, the more often that has been in vain. */
static void demand_more(rotor_store *store) {
    if (store->modesty > 0 && --store->modest_flights == 0) {
        store->modesty--;
        store->modest_flights = store->last_modest_flights;
    }
}

static void demand_less(rotor_store *store) {
    if (store->modesty < MOST_MODESTY) {
        store->modesty++;
    }
    if (store->last_modest_flights < MOST_MODEST_FLIGHTS) {
        store->last_modest_flights = 2 * store->last_modest_flights + 1;
    }
    store->modest_flights = store->last_modest_flights;
}

/* When a leader that lingers from now on has done so for long enough. */
static uint64_t linger_deadline_ns(const rotor_store *store) {
    uint64_t flight = atomic_load_explicit(&store->flight_ns, memory_order_relaxed);
    return rotor_now_ns() + (flight < MOST_LINGER_NS ? flight : MOST_LINGER_NS);
}

/* Gives those who have just been told that their leaf is durable the time to come back with the next. */
static void linger(rotor_store *store) {
    demand_more(store);
    if (!misses_some(store)) {
        return;
    }
    uint64_t deadline = linger_deadline_ns(store);
    bool in_time = true;
    while (in_time && misses_some(store)) {
        in_time = step_back(store) && rotor_now_ns() < deadline;
    }
    if (!in_time) {
        demand_less(store);
    } else if (store->modesty == 0) {
        store->last_modest_flights = 0;
    }
}

/* Ends a flight as rotor_store_end_flush() does, but keeps `flushing` for the next one, which the same thread leads or
 * the background thread. False, and nothing done, where few wait, flights are long as others have the processors,
 * somebody has claimed the log or truncates, or there is nobody to hand it over to. */
static bool end_flight_only(rotor_store *store, bool hand_over) {
    if (atomic_load_explicit(&store->flight_ns, memory_order_relaxed) > store->short_flight_ns ||
        rotor_store_count_waiters(store) < store->many_waiters) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    bool ends = store->claims == 0 && store->truncating == 0 && !atomic_load(&store->failed) &&
                (!hand_over || store->flusher_leads);
    rotor_gate *present = &store->flights[store->flight & 1];
    if (ends) {
        store->handed_over = hand_over;
        pthread_cond_broadcast(&store->changed);
        rotor_gate_open(present);
    }
    pthread_mutex_unlock(&store->mutex);
    if (ends && hand_over) {
        rotor_bell_ring(&store->flusher_bell);
    }
    if (ends) {
        rotor_gate_wake(present);
    }
    return ends;
}

/* Writes for all who wait, or sleeps until the flight that will make the token durable has landed, or until it is time
 * to lead the next one. Gives up the mutex, which the caller has. ROTOR_PENDING: look again. */
static rotor_status lead_or_follow(rotor_store *store, const rotor_token *token) {
    rotor_status status = is_durable(store, token)      ? ROTOR_OK
                          : atomic_load(&store->failed) ? ROTOR_FAILED
                                                        : ROTOR_PENDING;
    if (status != ROTOR_PENDING) {
        pthread_mutex_unlock(&store->mutex);
        return status;
    }
    if (store->flushing || store->truncating > 0) {
        bool aboard = store->flushing && rotor_token_order(token, &store->flight_moment) <= 0;
        rotor_gate *gate = &store->flights[(store->flight + (aboard ? 0 : 1)) & 1];
        uint32_t ticket = rotor_gate_ticket(gate);
        pthread_mutex_unlock(&store->mutex);
        rotor_gate_wait(gate, ticket);
        return ROTOR_PENDING;
    }
    store->flushing = true;
    pthread_mutex_unlock(&store->mutex);
    linger(store);
    (void)rotor_store_write_pending(store, false); /* the store remembers a failure */
    if (!end_flight_only(store, true)) {
        rotor_store_end_flush(store);
    }
    return ROTOR_PENDING;
}

/* Whether there is nothing to do now but to wait; if not, the caller has the mutex. */
static bool must_wait(rotor_store *store) {
    return atomic_load_explicit(&store->flushing, memory_order_relaxed) || pthread_mutex_trylock(&store->mutex) != 0;
}

static bool is_worth_yielding(const rotor_store *store) {
    return atomic_load_explicit(&store->flight_ns, memory_order_relaxed) <= store->short_flight_ns &&
           !rotor_pause_holds(&store->useless, rotor_now_ns());
}

/* Takes note of whether stepping back was in vain. When two do so at once one of them is forgotten, which does no harm.
 */
static void learn(rotor_store *store, bool in_vain) {
    int32_t credit = atomic_load_explicit(&store->credit, memory_order_relaxed);
    credit = in_vain ? credit - SLEEP_WEIGHT : credit < MOST_CREDIT ? credit + 1 : credit;
    if (credit < 0) {
        rotor_pause_begin(&store->useless, rotor_now_ns());
        credit = MOST_CREDIT;
    }
    atomic_store_explicit(&store->credit, credit, memory_order_relaxed);
}

/* Waits as long as it takes. */
static rotor_status wait_for_ever(rotor_store *store, const rotor_token *token) {
    atomic_fetch_add_explicit(&store->arrivals, 1, memory_order_release);
    bool many = rotor_store_count_waiters(store) >= store->many_waiters;
    unsigned yields = many && is_worth_yielding(store) ? MOST_YIELDS : 0;
    unsigned left = yields;
    rotor_status status = ROTOR_PENDING;
    while (status == ROTOR_PENDING) {
        if (is_seen_durable(store, token)) {
            status = ROTOR_OK;
        } else if (left > 0 && must_wait(store)) {
            left = step_back(store) ? left - 1 : 0;
        } else {
            if (left == 0) {
                pthread_mutex_lock(&store->mutex);
            }
            status = lead_or_follow(store, token);
        }
    }
    if (left < yields) {
        learn(store, left == 0);
    }
    atomic_fetch_add_explicit(&store->departures, 1, memory_order_release);
    return status;
}

/* Has the background thread flush, and waits until the deadline. */
static rotor_status wait_until(rotor_store *store, const rotor_token *token, uint64_t deadline) {
    rotor_status status = ROTOR_PENDING;
    pthread_mutex_lock(&store->mutex);
    atomic_fetch_add(&store->timed_waiters, 1);
    rotor_bell_ring(&store->flusher_bell);
    while (status == ROTOR_PENDING) {
        if (is_durable(store, token)) {
            status = ROTOR_OK;
        } else if (atomic_load(&store->failed)) {
            status = ROTOR_FAILED;
        } else if (!rotor_condition_wait(&store->changed, &store->mutex, deadline)) {
            status = is_durable(store, token) ? ROTOR_OK : ROTOR_TIMED_OUT;
        }
    }
    atomic_fetch_sub(&store->timed_waiters, 1);
    pthread_mutex_unlock(&store->mutex);
    return status;
}

rotor_status rotor_store_wait(rotor_store *store, const rotor_token *token, uint64_t timeout_ms) {
    if (store->read_only || is_seen_durable(store, token)) {
        return ROTOR_OK;
    }
    bool leads = timeout_ms == ROTOR_FOREVER || !store->flusher_runs;
    return leads ? wait_for_ever(store, token) : wait_until(store, token, rotor_deadline_ns(timeout_ms));
}

/* ---- the background thread */

static void ring_flusher(void *context) {
    rotor_store *store = context;
    rotor_bell_ring(&store->flusher_bell);
}

/* Whether all that has been accepted is durable; `durable` is what is. */
static bool is_all_durable(rotor_store *store, rotor_token *durable) {
    pthread_mutex_lock(&store->mutex);
    *durable = store->durable;
    bool all = !store->cut_pending;
    pthread_mutex_unlock(&store->mutex);
    return all && durable->epoch == atomic_load(&store->tree->published.epoch) &&
           atomic_load(&store->tree->accepted) <= durable->size;
}

/* Whether there is nothing to write and the next append or truncation will ring. Does not wait for the writer's lock: a
 * caller that inserts batch after batch has it nearly always, and callers may have handed the log over meanwhile. */
static bool is_idle(rotor_store *store) {
    rotor_token durable;
    return is_all_durable(store, &durable) && rotor_tree_notify(store->tree, durable.size, ring_flusher, store);
}

/* Waits until `flushing` can be taken, or is handed over, and takes it. */
static void take_flush(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    while (!store->handed_over && (store->flushing || store->truncating > 0)) {
        (void)rotor_condition_wait(&store->changed, &store->mutex, UINT64_MAX);
    }
    store->handed_over = false;
    store->flushing = true;
    pthread_mutex_unlock(&store->mutex);
}

/* Waits a little until somebody has a leaf for the next flight. */
static bool await_arrival(rotor_store *store) {
    uint64_t deadline = linger_deadline_ns(store);
    bool in_time = true;
    while (in_time && count_arrivals(store) == 0) {
        in_time = step_back(store) && rotor_now_ns() < deadline;
    }
    return in_time;
}

/* Flushes, and where many callers wait goes on to do so for those who have come meanwhile. This thread has slept while
 * they ran, so it gets a processor at once when the disk answers; a caller that leads is one of those who step back and
 * lets the others go first, and the next leader once more. With 64 callers on two processors flights follow each other
 * a quarter faster that way. */
static void lead_flights(rotor_store *store) {
    bool more = true;
    while (more) {
        (void)rotor_store_write_pending(store, false);
        more = !atomic_load(&store->ending) && end_flight_only(store, false) && await_arrival(store);
    }
    rotor_store_end_flush(store);
}

static void begin_leading(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    store->flusher_leads = true;
    pthread_mutex_unlock(&store->mutex);
}

/* Nothing is handed over to this thread from now on, and what has been is given back. */
static void end_leading(rotor_store *store) {
    pthread_mutex_lock(&store->mutex);
    store->flusher_leads = false;
    bool holds = store->handed_over;
    store->handed_over = false;
    pthread_mutex_unlock(&store->mutex);
    if (holds) {
        rotor_store_end_flush(store);
    }
}

/* Whether a flush cannot wait until the interval is over. Who waits with a time limit may still be on the way to see
 * that it is over. */
static bool is_urgent(rotor_store *store) {
    rotor_token durable;
    return atomic_load(&store->handed_over) || atomic_load(&store->ending) ||
           (atomic_load(&store->timed_waiters) > 0 && !is_all_durable(store, &durable));
}

void *rotor_store_flusher(void *argument) {
    rotor_store *store = argument;
    begin_leading(store);
    uint64_t deadline = rotor_deadline_ns(store->options.flush_interval_ms);
    while (!atomic_load(&store->ending) && !atomic_load(&store->failed)) {
        if (!is_urgent(store) && is_idle(store)) {
            (void)rotor_bell_wait(&store->flusher_bell, UINT64_MAX);
            deadline = rotor_deadline_ns(store->options.flush_interval_ms);
        }
        while (!is_urgent(store) && rotor_bell_wait(&store->flusher_bell, deadline)) {
            /* rung for something that can wait */
        }
        /* The interval of leaves that come while this flush is under way begins now: a load that keeps the disk busy
         * for longer than that is flushed without a pause. */
        deadline = rotor_deadline_ns(store->options.flush_interval_ms);
        if (!atomic_load(&store->ending)) {
            take_flush(store);
            lead_flights(store);
        }
    }
    end_leading(store);
    return NULL;
}
