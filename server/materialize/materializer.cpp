#include <pgtally/db/jitter_source.hpp>
#include <pgtally/server/base/database_errors.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/materialize/materializer.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pgtally::server {

namespace {

// Whether PostgreSQL refuses the rows, and not the statement. Missing rights on the table concern the statement.
bool is_refusal(db::error const& e)
{
    return !e.state().is("42501") && judge(e.code(), e.state()) == verdict::refused;
}

std::string reason_of(db::error const& e)
{
    std::string out = e.what();
    if (e.state().is("42501")) out += "; grant usage on its schema, and select, insert, update on the table";
    if (e.state().is("55P03")) out += "; another session holds a lock on the table or on a row of it: see pg_locks";
    return out;
}

}  // namespace

materializer::materializer(asio::any_io_executor executor, sources with, std::string tally)
    : executor_{std::move(executor)}
    , with_{std::move(with)}
    , name_{std::move(tally)}
    , connection_{executor_}
    , wake_{executor_}
    , plan_{with_.bounds}
    , pause_{with_.every}
    , said_{with_.bounds.max_materialize_reasons}
{
}

// Looks the tally up in each turn, because it may have been dropped.
cache::tally* materializer::wanted() noexcept
{
    auto* const tally = with_.replicas.find(name_);
    return tally == nullptr || tally->definition().materialize.empty() ? nullptr : tally;
}

cache::tally* materializer::live() noexcept
{
    auto* const tally = wanted();
    return tally == nullptr || tally->state() != cache::state::live ? nullptr : tally;
}

void materializer::on_replicas_changed() noexcept
{
    if (waits_ && live() != nullptr) wake_.notify();
}

std::size_t materializer::pending() noexcept
{
    auto const* const tally = wanted();
    return tally == nullptr || !has_lock_ ? 0 : plan_.pending(*tally);
}

void materializer::full_pass() noexcept
{
    plan_.want_full_pass();
    wake_.notify();
}

void materializer::hurry() noexcept
{
    pause_ = std::min(pause_, with_.bounds.materialize_hurry);
    wake_.notify();
}

void materializer::finish() noexcept
{
    finishing_ = true;
    wake_.notify();
}

void materializer::cut() noexcept
{
    cut_ = true;
    connection_.close();
    wake_.notify();
}

asio::awaitable<void> materializer::run()
{
    db::backoff pauses{with_.database.retry, db::jitter_source()};
    while (!over()) {
        co_await until_live();
        if (over() || (finishing_ && !has_lock_)) break;
        bool const last = finishing_;
        bool done = false;
        std::string trouble;
        try {
            done = co_await attempt();
        } catch (db::error const& e) {
            trouble = reason_of(e);
        } catch (table_trouble const& e) {
            trouble = e.what();
        }
        if (over()) break;
        if (!connection_.is_open()) has_lock_ = false;
        if (trouble.empty()) {
            pauses.reset();
            if (done) all_is_well();
        } else {
            failed(trouble);
        }
        // A last round that fails is tried again while this session has the lock, until `cut`.
        if (last && (trouble.empty() || !has_lock_)) break;
        auto const pause = trouble.empty() ? pause_ : pauses.next();
        co_await wake_.wait_until(clock::now() + pause);
    }
    connection_.close();
}

// Waits until the tally is live. If that takes long, gives up the lock: the tally of another server may be live.
asio::awaitable<void> materializer::until_live()
{
    while (!over() && !finishing_ && live() == nullptr) {
        waits_ = true;
        bool const woken = co_await wake_.wait_until(clock::now() + with_.every);
        waits_ = false;
        if (woken || live() != nullptr) continue;
        connection_.close();
        has_lock_ = false;
    }
}

// Returns whether a round has ended.
asio::awaitable<bool> materializer::attempt()
{
    // After a reconnect the replicas can follow another database, as after a failover. The table must be there too.
    if (made_in_ != with_.replicas.stats().reconnects) connection_.close();
    if (!connection_.is_open()) {
        has_lock_ = false;
        if (finishing_) co_return false;
        made_in_ = with_.replicas.stats().reconnects;
        auto settings = with_.database;
        co_await connection_.connect(std::move(settings));
    }
    if (!has_lock_) {
        bool const got = co_await take_lock();
        if (!got) co_return false;
    }
    co_await look_at_table();
    co_await round();
    co_return !plan_.under_way();
}

asio::awaitable<bool> materializer::take_lock()
{
    constexpr char const* ask = "select pg_try_advisory_lock(hashtextextended('pgtally materialize ' || $1, 0))";
    auto const answer = co_await connection_.query_as<bool>(ask, name_);
    has_lock_ = answer.one();
    if (has_lock_) {
        plan_.start_over();
        table_ = {};
    } else if (!std::exchange(logged_standby_, true)) {
        log(log_level::info, "tally {}: another server keeps its table; waiting to take over", name_);
    }
    co_return has_lock_;
}

asio::awaitable<void> materializer::look_at_table()
{
    auto* const tally = wanted();
    if (tally == nullptr) co_return;
    auto what = tally->definition();
    table_epoch_ = tally->epoch();
    auto const where = what.materialize;
    auto found = co_await find_table(connection_, std::move(what), with_.replicas.schema_version(), plan_.page_size());
    if (found.identity != table_.identity) {
        plan_.start_over();
        log(log_level::info, "tally {}: kept in table {} by this server", name_, where);
        logged_standby_ = false;
    }
    table_ = std::move(found);
}

asio::awaitable<void> materializer::round()
{
    refused_ = 0;
    auto* const now = live();
    // The definition may have changed during the lookup of the table: the statements are for the old counters.
    if (now == nullptr || now->epoch() != table_epoch_) co_return;
    plan_.begin(*now);
    for (;;) {
        auto* const tally = live();
        if (tally == nullptr || cut_) break;
        auto const step = plan_.next(*tally);
        if (step == materializer_plan::step::rest) break;
        switch (step) {
            case materializer_plan::step::write: co_await write(); break;
            case materializer_plan::step::read: co_await read(); break;
            case materializer_plan::step::again: co_await asio::post(executor_, asio::use_awaitable); break;
            case materializer_plan::step::rest: break;
        }
    }
    if (refused_ == 0) co_return;
    with_.counted.tallies[name_].refused += refused_;
    say(refusal_, fmt::format("{} row(s) skipped until they change, the last one because ", refused_));
}

asio::awaitable<void> materializer::write()
{
    auto const& batch = plan_.to_write();
    std::optional<db::error> refusal;
    try {
        auto const answer = co_await connection_.query_as<std::int64_t>(table_.write, batch.keys, batch.counters);
        with_.counted.keys += static_cast<std::uint64_t>(answer.one());
    } catch (db::error const& e) {
        if (!is_refusal(e)) throw;
        refusal = e;
    }
    if (!refusal) {
        plan_.written();
    } else if (plan_.refused()) {
        ++refused_;
        refusal_ = refusal->what();
    }
}

asio::awaitable<void> materializer::read()
{
    std::vector<std::string> keys;
    auto const& after = plan_.page_after();
    db::result_set page;
    if (after) page = co_await connection_.query(table_.next_page, *after);
    else page = co_await connection_.query(table_.first_page);
    for (std::size_t i = 0; i < page.size(); ++i) keys.emplace_back(page.text(i, 0));
    if (auto* const tally = live()) plan_.page(*tally, std::move(keys));
}

void materializer::failed(std::string const& why)
{
    in_trouble_ = true;
    ++with_.counted.tallies[name_].failures;
    say(why, "");
}

void materializer::say(std::string const& reason, std::string_view before)
{
    if (said_.is_new(reason)) log(log_level::warn, "tally {}, materialization: {}{}", name_, before, reason);
}

void materializer::all_is_well()
{
    if (!std::exchange(in_trouble_, false)) return;
    said_.clear();
    log(log_level::info, "tally {}: its table is written again", name_);
}

}  // namespace pgtally::server
