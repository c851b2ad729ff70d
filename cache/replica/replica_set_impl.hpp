#pragma once

// What the coroutines of a replica_set share. Each file of their functions is named there.

#include <pgtally/cache/barriers.hpp>
#include <pgtally/cache/event_dispatcher.hpp>
#include <pgtally/cache/rate_limiter.hpp>
#include <pgtally/cache/replica/catalog.hpp>
#include <pgtally/cache/replica/loader.hpp>
#include <pgtally/cache/replica/problems.hpp>
#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/db/backoff.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/jitter_source.hpp>

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <optional>

namespace pgtally {

namespace asio = boost::asio;

struct replica_set::impl : event_dispatcher::owner {
    using clock = std::chrono::steady_clock;

    // How many heartbeats may stay away before the transport counts as broken.
    static constexpr int missed_heartbeats = 3;

    // How many keys of a load's difference are in the log.
    static constexpr std::size_t max_logged_drift = 20;

    // Any role can send events that ask for a load, or for the definitions to be read: so many in quick succession are
    // answered at once, then one in an interval. One tally's do not delay another's.
    static constexpr int max_quick_reloads = 5, max_quick_readings = 10;
    static constexpr std::chrono::milliseconds reload_interval{1'000}, reading_interval{250};

    // Somebody wants to know whether a tally is the truth.
    struct audit_request {
        std::string epoch;      // of the tally that was asked about
        bool compared = false;  // what comes now can only be added
        bool done = false;
        audit_report report;
        db::detail::signal changed;

        audit_request(asio::any_io_executor executor, std::string of)
            : epoch{std::move(of)}, changed{std::move(executor)}
        {
        }
    };

    // What concerns the loads of one tally. It outlives the tally while a load of it is under way.
    struct load_state {
        bool wanted = false, running = false, gone = false;
        load_cause cause = load_cause::start;          // of the load that is wanted
        load_cause running_cause = load_cause::start;  // of the one under way
        std::uint64_t number = 0;                      // of the load under way: a barrier that comes late finds another
        clock::time_point not_before = clock::time_point::min();
        std::uint64_t definitions_needed = 0;  // no load before they were read so often
        rate_limiter reloads{reload_interval, max_quick_reloads};
        std::optional<cache::load_report> report;
        db::backoff pauses;
        db::detail::signal done;
        db::connection* loading_on = nullptr;  // while it runs
        std::shared_ptr<audit_request> audit;  // that is wanted or under way
        std::vector<std::string> problems;     // that the database knows
        bool held = false;                     // not to be loaded: its source is lost

        load_state(asio::any_io_executor executor, db::backoff_limits limits);
    };

    // A transaction that somebody wants to see applied.
    struct awaited_write {
        std::string name;  // of the tally
        std::optional<cache::xid> transaction;
        clock::time_point ask_at{};  // when to send a barrier for it; max(): one is under way
        bool barrier_back = false, done = false;
        db::detail::signal changed;

        awaited_write(asio::any_io_executor executor, std::string of, std::optional<cache::xid> x)
            : name{std::move(of)}, transaction{x}, changed{std::move(executor)}
        {
        }
    };
    struct write_barrier;
    class own_barrier;

    // One connection that loads, and its turn to look for work.
    struct loader {
        db::connection connection;
        std::uint64_t generation = 0;  // in which it was made
        db::detail::signal work;
        explicit loader(asio::any_io_executor executor) : connection{executor}, work{executor} {}
    };

    impl(asio::any_io_executor chosen_executor, config chosen);

    // replica_set.cpp
    asio::awaitable<void> run();
    void stop();
    template <class Coroutine>
    void start(Coroutine coroutine, char const* name);
    void log(db::level level, std::string const& line) const;
    void end_turn();
    std::unique_ptr<barrier_wait> expect_barrier();
    db::config connection_settings() const;
    // How long what takes no time may take: a heartbeat or barrier to come back, an answer that needs no work.
    std::chrono::milliseconds answer_time() const noexcept { return settings.heartbeat * missed_heartbeats; }
    cache::tally* find(std::string_view name) noexcept;

    // receive.cpp: what the transport brings
    asio::awaitable<void> receive();
    void on(transport::opened const&);
    void on(transport::lost const& e);
    void on(transport::payload const& e);
    void applied(cache::event const& e) override;
    void drop(std::string_view reason) override;
    void report_drops();

    // control.cpp: definitions, on the connection that heartbeats and looks use too
    asio::awaitable<void> control();
    asio::awaitable<void> control_turn(db::connection& connection, clock::time_point& next_heartbeat);
    asio::awaitable<void> refresh_definitions(db::connection& connection);
    asio::awaitable<void> look_again(db::connection& connection);
    void reconcile(catalog seen);
    void add_tally(cache::definition what);
    void remove_tally(std::string const& name);
    void want_definitions() override;
    void control_failed(db::error const& e);
    void give_up_load(std::string const& name) override;

    // heartbeats.cpp
    asio::awaitable<void> send_heartbeat(db::connection& connection);
    asio::awaitable<void> watch_heartbeats();
    void heartbeat_back(clock::time_point sent);
    void give_up_transport();

    // watch.cpp: what the database knows to be wrong with its tallies
    asio::awaitable<std::vector<tally_problems>> look_for_problems(db::connection& connection, int version);
    void take_problems(std::vector<tally_problems> const& found);
    void take_problems(tally_problems const& found, cache::tally& tally);

    // applied.cpp: read your writes
    asio::awaitable<bool> applied(std::string name, std::optional<cache::xid> transaction, clock::time_point until,
                                  own_barrier* sent);
    asio::awaitable<void> send_write_barrier(db::connection& connection);
    void take_write_barrier(write_barrier const& sent);
    void look_at(awaited_write& write);
    void look_at_writes();
    void ask_writes_again();
    clock::time_point next_write_barrier() const noexcept;

    // audits.cpp
    asio::awaitable<audit_report> audit(std::string name, clock::time_point until);
    asio::awaitable<void> audit_loaded(loader& mine, std::string name, std::shared_ptr<load_state> state);
    void end_audit(std::string const& name, load_state& state, audit_outcome outcome, std::string why);
    void audit_compared(std::string const& name, load_state& state, std::vector<std::string> reasons);
    void audit_ended(std::string const& name, load_state& state, bool other, std::string const& why);
    void look_at_audits();
    void let_audits_go();
    bool audit_under_way() const noexcept;

    // loads.cpp
    asio::awaitable<void> load_forever(loader& mine);
    asio::awaitable<void> load_one(loader& mine, std::string name);
    asio::awaitable<void> attempt_load(loader& mine, std::string name, std::shared_ptr<load_state> state);
    asio::awaitable<void> await_barrier(loader& mine, std::string name, std::shared_ptr<load_state> state);
    asio::awaitable<void> compare(std::string name, std::shared_ptr<load_state> state);
    void take_report(load_state& state, std::optional<cache::load_report> report);
    void load_done(std::string const& name, load_state& state, clock::time_point began);
    void log_drift(std::string const& name, cache::load_report const& report);
    void load_failed(std::string const& name, load_state& state, std::string const& why, bool permanent);
    void want_load(std::string_view name, load_cause cause) override;
    void plan_load(std::string_view name, load_cause cause);
    std::optional<std::string> next_load(clock::time_point now, clock::time_point& wake_at);
    void wake_loaders();
    bool definitions_current() const noexcept { return definitions_asked == definitions_read; }

    asio::any_io_executor executor;
    config settings;
    std::unique_ptr<transport> events;
    tallies replicas;
    std::map<std::string, std::shared_ptr<load_state>, std::less<>> loads;
    std::vector<std::unique_ptr<loader>> loaders;
    barriers expected;
    event_dispatcher received{replicas, expected, *this};
    std::map<std::uint64_t, awaited_write> writes;  // by their number, in the order of the calls
    std::uint64_t last_write = 0;
    counters counted;

    std::uint64_t generation = 0;  // of connections: those of another are not used any more
    bool stopping = false, transport_open = false, ever_open = false, definitions_known = false;
    std::uint64_t definitions_asked = 1, definitions_read = 0;  // equal: they are current
    rate_limiter readings{reading_interval, max_quick_readings};
    int schema_version = 0;
    std::string transport_trouble, control_trouble;
    bool transport_trouble_permanent = false, control_trouble_permanent = false;
    std::deque<std::string> heartbeats_sent;  // that are not back
    clock::time_point opened_at{};            // the transport
    clock::time_point last_heartbeat_back{};  // or when the transport was opened
    clock::time_point heartbeat_taken{};      // when the last one was sent that the database took
    bool pooled = false;                      // another backend took it than was connected to
    std::string deaf_reason;                  // why the transport was given up, until a heartbeat comes back
    bool deaf_for_good = false;               // waiting does not cure that
    clock::time_point next_look{};            // for problems
    std::string look_trouble;
    db::detail::signal control_wake, watch_wake, ended;
    std::vector<db::connection*> open_connections;
    std::size_t running = 0;

    std::uint64_t drops_to_report = 0;
    std::string last_drop;
    clock::time_point last_drop_report{};
};

}  // namespace pgtally
