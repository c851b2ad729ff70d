#include "perform.hpp"

#include "rehearse.hpp"

#include <pgtally/db/pool.hpp>
#include <pgtally/db/session.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <tuple>
#include <utility>

namespace pgtally::play {
namespace {

using clock = std::chrono::steady_clock;

// $3: the message is the user's n-th one with this text.
constexpr char const* say_sql = R"(
  with there as (
    select messageid
      from tweet.message
     where userid = $1 and message = $2
     order by messageid
    offset $3::bigint - 1 limit 1
  ), sent as (
    insert into tweet.message (userid, message)
    select $1, $2 where not exists (select from there)
    returning messageid
  )
  select messageid, false from there union all select messageid, true from sent)";

constexpr char const* act_sql = "insert into tweet.activity (messageid, action) values ($1, $2)";

// True if a retry does not help. A retry does help with locks of others, such as a load's, and with deadlocks.
bool hopeless(db::error const& failure)
{
    if (failure.state().is("55P03") || failure.state().is("40P01")) return false;
    return failure.permanent() || failure.code() == db::errc::server_error || failure.code() == db::errc::bad_result;
}

struct part {
    std::int64_t userid = 0;
    std::int64_t nth = 0;
};

struct said {
    std::int64_t messageid = 0;
    bool sent = false;
};

db::pool_config speakers_of(performance_config const& settings)
{
    db::pool_config speakers;
    speakers.connection = settings.connection;
    speakers.connection.query_timeout = std::chrono::seconds{30};
    speakers.connection.on_connect.emplace_back("set lock_timeout = '1s'");  // so that stop() is not delayed
    speakers.max_connections = 1;
    return speakers;
}

db::session_config listeners_of(performance_config const& settings)
{
    db::session_config listeners;
    listeners.connection = settings.connection;
    listeners.connection.query_timeout = settings.act_timeout;
    return listeners;
}

}  // namespace

struct performance_stage {
    performance_stage(asio::any_io_executor where, std::vector<speech> what, performance_config config)
        : executor(where)
        , speeches(std::move(what))
        , lines(lines_of(speeches))
        , settings(std::move(config))
        , crowd(settings.seed, settings.habits)
        , plan(speeches.size(), settings.per_speech, settings.end, settings.acts)
        , beat(settings.rate)
        , due(where)
        , changed(where)
        , opening(where)
        , speakers(where, speakers_of(settings))
        , listeners(where, listeners_of(settings))
    {
    }

    asio::any_io_executor executor;
    std::vector<speech> speeches;
    std::vector<line> lines;
    performance_config settings;
    audience crowd;
    programme plan;
    pace beat;

    std::vector<part> parts{};             // the speaker of each line
    std::vector<std::int64_t> messages{};  // the audience's messages, by index
    std::size_t next_speech = 0;
    std::size_t next_line = 0;
    std::size_t under_way = 0;  // acts in progress
    std::size_t refused_in_a_row = 0;
    bool stopping = false;
    std::exception_ptr fault{};  // of coroutines that are not awaited
    performance_report report{};

    asio::steady_timer due;
    asio::steady_timer changed;  // under_way or stopping changed
    db::connection opening;
    db::pool speakers;
    db::session listeners;  // on one connection, so an act is stored before it is taken back

    void stop() noexcept
    {
        stopping = true;
        due.cancel();
        changed.cancel();
        opening.close();
        speakers.stop();
    }
};

namespace {

using stage_ptr = std::shared_ptr<performance_stage>;

// Returns early if it is stopped.
asio::awaitable<void> wait_until(stage_ptr stage, clock::time_point when)
{
    if (stage->stopping || clock::now() >= when) co_return;
    boost::system::error_code cancelled;
    stage->due.expires_at(when);
    co_await stage->due.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

// Waits until at most that many acts are in progress.
asio::awaitable<void> wait_for_answers(stage_ptr stage, std::size_t most, clock::time_point when)
{
    while (stage->under_way > most && clock::now() < when) {
        boost::system::error_code cancelled;
        stage->changed.expires_at(when);
        co_await stage->changed.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (stage->stopping && when == clock::time_point::max()) co_return;
    }
}

asio::awaitable<void> open(stage_ptr stage)
{
    auto& conn = stage->opening;
    co_await conn.connect(stage->settings.connection);
    auto tx = co_await db::begin(conn);
    stage->report.strangers = co_await rehearse(conn, stage->lines, nullptr);
    auto const parts =
        co_await tx.query_as<std::tuple<std::int64_t, std::int64_t>>("select userid, nth from line order by n");
    for (auto const& [userid, nth] : parts) stage->parts.push_back({userid, nth});
    co_await tx.commit();
    conn.close();
}

asio::awaitable<std::vector<said>> send_speech(stage_ptr stage)
{
    auto const body = [stage](db::transaction& tx) -> asio::awaitable<std::vector<said>> {
        std::vector<said> all;
        co_await tx.query(lock_sql);
        auto const end = stage->next_line + stage->speeches[stage->next_speech].speakers.size();
        for (auto at = stage->next_line; at < end; ++at) {
            auto const& who = stage->parts[at];
            auto const one = co_await tx.query_as<std::tuple<std::int64_t, bool>>(say_sql, who.userid,
                                                                                  stage->lines[at].words, who.nth);
            auto const [messageid, sent] = one.one();
            all.push_back({messageid, sent});
        }
        co_return all;
    };
    db::transaction_options const options;
    co_return co_await stage->speakers.in_transaction(options, body);
}

// Repeats until it succeeds. A speech that may have been sent before is found and not sent again.
asio::awaitable<void> say(stage_ptr stage)
{
    std::vector<said> all;
    while (all.empty()) {
        db::error failure;
        try {
            all = co_await send_speech(stage);
        } catch (db::error const& why) {
            failure = why;
        }
        if (!all.empty()) break;
        if (stage->stopping) co_return;
        if (hopeless(failure)) throw db::error(failure);
        auto const soon = clock::now() + std::chrono::milliseconds(100);
        co_await wait_until(stage, soon);
    }
    for (auto const& one : all) {
        stage->messages.push_back(one.messageid);
        stage->crowd.hear();
        ++(one.sent ? stage->report.sent : stage->report.there);
    }
    auto const& speech = stage->speeches[stage->next_speech++];
    stage->next_line += all.size();
    ++stage->report.speeches;
    if (stage->settings.on_speech) stage->settings.on_speech(speech);
}

void note_failure(performance_stage& stage, act const& what, db::error const& failure)
{
    stage.crowd.failed(what);
    stage.report.failure = failure.what();
    bool const refused = failure.code() == db::errc::server_error;
    ++(refused ? stage.report.refused : stage.report.unknown);
    stage.refused_in_a_row = refused ? stage.refused_in_a_row + 1 : 0;
    if (stage.refused_in_a_row < stage.settings.max_refused || stage.fault) return;
    stage.fault = std::make_exception_ptr(failure);
    stage.stop();
}

asio::awaitable<void> do_act(stage_ptr stage, act what)
{
    auto const messageid = stage->messages[what.message];
    db::error failure;
    try {
        co_await stage->listeners.query(act_sql, messageid, name_of(what.what));
    } catch (db::error const& why) {
        failure = why;
    }
    if (failure.code()) {
        note_failure(*stage, what, failure);
    } else {
        stage->refused_in_a_row = 0;
        ++stage->report.acts[static_cast<std::size_t>(what.what)];
    }
}

void begin_act(stage_ptr stage)
{
    ++stage->under_way;
    auto const done = [stage](std::exception_ptr fault) {
        if (fault) stage->fault = fault;
        --stage->under_way;
        stage->changed.cancel();
    };
    asio::co_spawn(stage->executor, do_act(stage, stage->crowd.next()), done);
}

asio::awaitable<void> play(stage_ptr stage)
{
    for (auto what = stage->plan.next(); what != step::end; what = stage->plan.next()) {
        co_await wait_until(stage, stage->beat.next(clock::now()));
        if (what == step::act)
            co_await wait_for_answers(stage, stage->settings.habits.age - 1, clock::time_point::max());
        if (stage->stopping) co_return;
        if (what == step::act) begin_act(stage);
        else co_await say(stage);
    }
}

asio::awaitable<performance_report> perform(stage_ptr stage)
{
    auto const began = clock::now();
    std::exception_ptr failure;
    try {
        co_await open(stage);
        auto const ended = [stage](std::exception_ptr fault) {
            if (fault) stage->fault = fault;
        };
        asio::co_spawn(stage->executor, stage->listeners.run(), ended);
        co_await play(stage);
    } catch (db::error const& why) {
        // stop() closes the connection of open().
        if (!stage->stopping || why.code() != db::errc::closed) failure = std::current_exception();
    }
    co_await wait_for_answers(stage, 0, clock::now() + stage->settings.farewell);
    stage->stop();
    stage->listeners.stop();
    co_await wait_for_answers(stage, 0, clock::now() + stage->settings.farewell);
    stage->report.took = clock::now() - began;
    if (!failure) failure = stage->fault;
    if (failure) std::rethrow_exception(failure);
    co_return stage->report;
}

}  // namespace

performance::performance(asio::any_io_executor executor, std::vector<speech> speeches, performance_config settings)
    : stage_(std::make_shared<performance_stage>(std::move(executor), std::move(speeches), std::move(settings)))
{
}

performance::~performance()
{
    stop();
    stage_->listeners.stop();
}

asio::awaitable<performance_report> performance::run()
{
    return perform(stage_);
}

void performance::stop() noexcept
{
    stage_->stop();
}

performance_report const& performance::report() const noexcept
{
    return stage_->report;
}

}  // namespace pgtally::play
