#include <pgtally/cache/replica/wal_transport.hpp>

#include <pgtally/cache/replica/database_reason.hpp>
#include <pgtally/cache/replica/open_transactions.hpp>

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

constexpr char const* prefix = "tally";
constexpr char const* publication = "tally";
constexpr char const* slot_prefix = "pgtally";

db::wal_stream_options what_to_receive()
{
    db::wal_stream_options out;
    out.publication = publication;
    out.prefix = prefix;
    out.slot_prefix = slot_prefix;
    return out;
}

// How much WAL the server keeps for the slot.
constexpr char const* held =
    "coalesce((select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) from pg_replication_slots"
    " where slot_name = $2), 0)::bigint";

class decoding_transport final : public transport {
public:
    decoding_transport(boost::asio::any_io_executor executor, db::config database, db::wal_stream_limits const& limits)
        : stream_{std::move(executor), std::move(database), what_to_receive(), limits}
    {
    }

    boost::asio::awaitable<void> run() override { return stream_.run(); }

    boost::asio::awaitable<std::span<signal const>> next() override
    {
        auto const events = co_await stream_.next();
        batch_.clear();
        for (auto const& event : events) std::visit([this](auto const& e) { add(e); }, event);
        co_return batch_;
    }

    void applied() override
    {
        if (handed_over_ != db::lsn{}) stream_.confirm(std::exchange(handed_over_, db::lsn{}));
    }

    void restart(cache::reason why) override
    {
        restart_ = std::move(why);
        stream_.reconnect(restart_.text());
    }
    void retry_now() noexcept override { stream_.retry_now(); }
    void stop() override { stream_.stop(); }

    std::string sending(std::string_view parameter) const override
    {
        return std::string{"pg_logical_emit_message(true, '"} + prefix + "', (" + std::string{parameter} + ")::text)";
    }

    boost::asio::awaitable<heartbeat_answer> send_heartbeat(db::connection& connection, std::string text) const override
    {
        using row = std::tuple<bool, std::int32_t, std::int64_t>;
        auto const statement = std::string{"select to_regclass('tally.tallies') is not null, pg_backend_pid(), "} +
                               held + " from " + sending("$1");
        auto const slot = slot_;
        auto const rows = co_await connection.query_as<row>(statement, text, slot);
        auto const [installed, pid, bytes] = rows.one();
        heartbeat_answer answer;
        answer.installed = installed;
        answer.pooled = db::backend_pid{pid} != connection.backend_pid();
        answer.wal_held = static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0));
        co_return answer;
    }

    boost::asio::awaitable<void> prepare_load(db::connection& connection,
                                              std::function<bool(cache::reason)> waits) const override
    {
        return await_open_transactions(connection, std::move(waits));
    }

    bool waits() const noexcept override { return waiting_ != db::backend_pid{}; }
    boost::asio::awaitable<cache::reason> why_it_waits(db::connection& connection) const override
    {
        return why_slot_waits(connection, waiting_);
    }

private:
    void add(db::wal::transaction const& e)
    {
        handed_over_ = e.end;
        // Nobody knows what was in it.
        if (!e.complete) return batch_.emplace_back(opened{order_}), void();
        batch_.emplace_back(begin{static_cast<std::uint64_t>(e.commit)});
        for (auto const text : e.messages) batch_.emplace_back(payload{text});
        batch_.emplace_back(commit{});
    }
    void add(db::wal::streaming const& e)
    {
        waiting_ = {};
        handed_over_ = {};
        slot_ = e.slot;
        order_ = e.system_identifier + '/' + std::to_string(e.timeline) + '/' + std::to_string(e.database);
        batch_.emplace_back(opened{order_});
    }
    void add(db::wal::waiting const& e)
    {
        if (std::exchange(waiting_, e.backend) == e.backend) return;
        batch_.emplace_back(lost{{cache::reason::kind::old_writer,
                                  "the replication slot waits until transactions end that were open before"},
                                 false});
    }
    // A restart has no error code: the stream reports the text that it was given.
    void add(db::lost const& e)
    {
        waiting_ = {};
        batch_.emplace_back(lost{e.code ? database_reason(e) : restart_, e.permanent});
    }

    db::wal_stream stream_;
    std::vector<signal> batch_;
    std::string slot_, order_;
    db::lsn handed_over_{};  // the end of the last transaction that `next` returned; 0: all is confirmed
    db::backend_pid waiting_{};
    cache::reason restart_;  // of the last restart
};

}  // namespace

transport_factory wal_transport(db::wal_stream_limits const& limits)
{
    auto make = [limits](boost::asio::any_io_executor executor, db::config database) {
        return std::make_shared<decoding_transport>(std::move(executor), std::move(database), limits);
    };
    return {"wal", std::move(make)};
}

}  // namespace pgtally
