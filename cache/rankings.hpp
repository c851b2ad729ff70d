#pragma once

// The rankings of one table: for each counter that somebody asks about, the rows in its order.
//
// Model: `want` begins a ranking, which `build_more` fills with some rows at a time; the table may change meanwhile. A
// ranking is kept while somebody holds it (`hold`, `release`), and for a while after the last `want`; then `tidy`
// drops it.
//
// The caller tells every change of a row: `before` it and `after` it. Rows whose counters are all 0 are not ranked, so
// that a row may be erased, and its slot used again, as soon as they are.
//
// Guarantees: a ranking that `find` returns has each row of the table whose counters are not all 0, by its present value.
// A change takes O(log n) for each ranking; without rankings it takes no time.
//
// Threads: one.
//
// Errors: `want`, `build_more` and `after` allocate; they throw std::bad_alloc.
//
// Preconditions: every call takes the same table, until `table_replaced`.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/ranking.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace pgtally::cache {

class rankings {
public:
    using clock = std::chrono::steady_clock;
    using slot = counter_table::slot;

    // `kept`: for how long after the last question.
    explicit rankings(std::chrono::milliseconds kept) noexcept : kept_{kept} {}

    // Somebody asks about this counter now. Returns whether its ranking begins.
    bool want(std::size_t counter, clock::time_point now);

    // Somebody asks about it until `release`. `hold` returns whether its ranking begins.
    bool hold(std::size_t counter);
    void release(std::size_t counter) noexcept;

    // The ranking by this counter; null if it is not complete.
    ranking const* find(std::size_t counter) const noexcept;

    // Fills the rankings that are not complete, with at most `rows` slots of the table. Returns whether one became complete.
    bool build_more(counter_table const& table, std::size_t rows);
    bool building() const noexcept { return building_ > 0; }

    // Drops the rankings that nobody has asked about for a while.
    void tidy(clock::time_point now) noexcept;

    // When `tidy` may have something to do; max() if never.
    clock::time_point due() const noexcept;

    // The highest value, before or after, of the rows that changed since the last call. The counter is ranked.
    std::optional<std::int64_t> take_highest_changed(std::size_t counter) noexcept;

    // A row changes; it changed. Nothing may happen to the rankings in between.
    void before(counter_table const& table, slot s);
    void after(counter_table const& table, slot s);

    // All counters of all rows are 0 now.
    void all_zero() noexcept;

    // The table is another one, with the same counters: the rankings begin again.
    void table_replaced() noexcept;

    // The table is another one, with other counters: all rankings end, those that are held too.
    void counters_replaced() noexcept;

    // The memory that the rankings use, in bytes.
    std::size_t memory_bytes() const noexcept;

private:
    struct one {
        explicit one(std::size_t of) noexcept : counter{of} {}
        std::size_t counter;
        ranking order;
        slot next = 0;  // the slots below are in `order`
        bool complete = false;
        std::size_t holders = 0;
        std::optional<clock::time_point> asked;  // the last time; none: when `tidy` is called next
        bool was_ranked = false;                 // what `before` saw
        std::int64_t was = 0;
        std::optional<std::int64_t> highest_changed;
    };

    one* find_one(std::size_t counter) const noexcept;
    one& find_or_begin(std::size_t counter, bool& begins);

    std::chrono::milliseconds kept_;
    std::vector<std::unique_ptr<one>> all_;
    std::size_t building_ = 0;
};

}  // namespace pgtally::cache
