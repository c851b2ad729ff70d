#pragma once

// The answers to the questions about all keys of a tally (question.hpp) that subscriptions follow.
//
// Model: subscriptions to one question share a `watch`, which holds the newest answer and numbers its versions. Changes
// of the table are told to this class; `settle`, once a turn, answers again what they may concern, and wakes the
// subscriptions whose answer is another one. The tops by one counter share one list: that of the highest limit.
//
// Ranks are the questions that cost most, because almost every change may concern each of them: a turn answers at most
// `limits::max_ranks_settled` of them again, the others in the turns that follow. A ranking that is not there is built
// in slices, by `work`; until then its questions have no answer. The first slice is built at once. `on_work` says that `work` and `settle` are to be
// called again, soon.
//
// Guarantees: an answer that did not change wakes nobody. Each question is answered once a turn, however many
// subscriptions follow it. `answer_now` brings one answer up to date, so that what is sent is never older than what
// was sent before.
//
// Lifetime: the table, and the definition's names, outlive it. A watch is valid while a subscription is in it.
//
// Threads: one.
//
// Errors: what allocates throws std::bad_alloc.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/feed.hpp>
#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/question.hpp>
#include <pgtally/cache/rankings.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::cache {

class answers {
public:
    using clock = rankings::clock;
    using slot = counter_table::slot;

    // What the subscriptions of one question share.
    struct watch {
        explicit watch(question what) : about{std::move(what)} {}

        question const about;
        bool possible = true;         // the definition has the question's counter
        answer const* now = nullptr;  // null: there is no answer yet
        std::size_t rows = 0;         // of the answer: it may be the list of a higher limit
        std::uint64_t version = 0;    // grows with every other answer

    private:
        friend class answers;
        std::size_t counter = 0;     // by which the keys are ranked
        answer own;                  // a top has none
        std::uint64_t answered = 0;  // the edition of the table
        std::size_t position = 0;    // in `ranks_`
        bool changed = false;        // in `changed_`
        feed::asking_list members;
    };

    answers(counter_table const& table, std::vector<std::string> const& counters, limits const& bounds);
    answers(answers const&) = delete;
    answers& operator=(answers const&) = delete;

    void on_work(std::function<void()> call) { on_work_ = std::move(call); }

    // Subscriptions. `join` adds one that follows a question; `leave` removes it.
    watch& join(question const& what, feed::member& who);
    void leave(watch& from, feed::member& who) noexcept;

    // Brings an answer up to date. Returns whether there is one.
    bool answer_now(watch& which);

    // Questions without a subscription

    // The ranking by a counter, which is kept for a while, and begins to be built if there is none; null if it is not
    // complete.
    ranking const* ranked(std::size_t counter, clock::time_point now);

    // Turns

    // Answers again what the changes since the last call may concern, and makes `into` wake the subscriptions of each
    // answer that is another one.
    void settle(feed& into);

    // Builds rankings, some rows of them. Returns whether one became complete.
    bool work();
    bool has_work() const noexcept { return rankings_.building() || ranks_left_ > 0; }

    // Drops rankings that nobody has asked about for a while; when there may be one.
    void tidy(clock::time_point now) noexcept { rankings_.tidy(now); }
    clock::time_point due() const noexcept { return rankings_.due(); }

    // Changes of the table

    // Around each change of a row's counters.
    void before(slot s) { rankings_.before(table_, s); }
    void after(slot s)
    {
        rankings_.after(table_, s);
        ++edition_;
    }

    // All counters are 0 now.
    void all_zero() noexcept;

    // The table was replaced: by one with the same counters, or with others.
    void table_replaced();
    void counters_replaced();

    // The memory that the rankings use, in bytes.
    std::size_t memory_bytes() const noexcept { return rankings_.memory_bytes(); }

private:
    // The tops by one counter.
    struct top {
        answer now;
        bool known = false;
        std::size_t limit = 0;  // of `now`
        std::map<std::size_t, watch*> by_limit;
    };

    void enter(watch& which);
    void exit(watch& which) noexcept;
    void answer_top(std::size_t counter, top& which);
    bool concerns(std::size_t counter, top const& which) noexcept;
    bool answer_own(watch& which);
    void differs(watch& which);
    void begin_work();
    void want_work() const
    {
        if (on_work_) on_work_();
    }

    counter_table const& table_;
    std::vector<std::string> const& counters_;
    limits const& limits_;
    std::function<void()> on_work_;
    rankings rankings_;
    std::uint64_t edition_ = 1, settled_ = 0;  // of the table
    answer spare_;
    std::map<question, watch> watches_;
    std::map<std::size_t, top> tops_;  // by counter
    std::vector<watch*> ranks_;
    std::size_t next_rank_ = 0, ranks_left_ = 0;  // to answer again: so many from there on, in a circle
    std::vector<watch*> changed_;                 // since the last `settle`
};

}  // namespace pgtally::cache
