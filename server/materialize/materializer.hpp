#pragma once

// Keeps the table of one tally equal to it, if no other server does.
//
// Model: a session of its own takes the tally's advisory lock; who has the lock writes, by that session, so that who
// lost the session has lost both. Every `every` it looks at the table and has a round of the plan (materializer_plan)
// written. Who does not get the lock asks for it again and again, and begins with a full pass when it has it. While the
// tally is not live nothing is written; when that lasts, the lock goes to another server.
//
// Guarantees: reading and encoding the tally takes small slices of a turn. What fails is tried again after growing
// pauses, counted, and said once for each reason until all is well again. Rows that a constraint refuses are skipped
// until they change, or the next full pass.
//
// Not promised: that the table is right while others write it; the next full pass mends that.

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/materialize/materializer_plan.hpp>
#include <pgtally/server/materialize/materializer_table.hpp>
#include <pgtally/server/materialize/reasons.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace pgtally::server {

struct materialize_counters {
    struct of_tally {
        std::uint64_t failures = 0;  // rounds that failed
        std::uint64_t refused = 0;   // rows that a constraint refused
    };
    std::uint64_t keys = 0;  // rows written
    std::map<std::string, of_tally, std::less<>> tallies;
};

class materializer {
public:
    struct sources {
        replica_set& replicas;
        db::config database;
        std::chrono::milliseconds every;
        limits const& bounds;
        materialize_counters& counted;
    };

    materializer(asio::any_io_executor executor, sources with, std::string tally);

    // Until the tally is gone or is kept in no table any more, `finish` or `cut`.
    asio::awaitable<void> run();

    // Something happened to the replicas.
    void on_replicas_changed() noexcept;

    // The next round is a full pass, and now: somebody else may have changed the table.
    void full_pass() noexcept;

    // Rounds with hardly a pause: the end is near.
    void hurry() noexcept;

    // One more round, if it is this one that writes; then `run` ends. `cut`: it ends now.
    void finish() noexcept;
    void cut() noexcept;

private:
    using clock = std::chrono::steady_clock;

    cache::tally* wanted() noexcept;
    cache::tally* live() noexcept;
    bool over() noexcept { return cut_ || wanted() == nullptr; }
    asio::awaitable<void> until_live();
    asio::awaitable<bool> attempt();
    asio::awaitable<bool> take_lock();
    asio::awaitable<void> look_at_table();
    asio::awaitable<void> round();
    asio::awaitable<void> write();
    asio::awaitable<void> read();
    void failed(std::string const& why);
    void say(std::string const& reason, std::string_view before);
    void all_is_well();

    asio::any_io_executor executor_;
    sources with_;
    std::string const name_;
    db::connection connection_;
    db::detail::signal wake_;
    materializer_plan plan_;
    materializer_table table_;
    std::string table_epoch_;  // of the definition that its statements are for
    std::chrono::milliseconds pause_;
    bool has_lock_ = false, waits_ = false, finishing_ = false, cut_ = false, told_standby_ = false,
         in_trouble_ = false;
    std::uint64_t made_in_ = 0;  // the reconnects of the replicas when its session was made
    std::uint64_t refused_ = 0;  // in the round under way
    std::string refusal_;        // the last of them
    reasons said_;
};

}  // namespace pgtally::server
