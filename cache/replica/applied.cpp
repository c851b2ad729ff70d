// Read your writes, for a transaction that a caller committed on its own connection, and for one that carries a
// barrier.
//
// Why this is correct. The statement that sends a barrier has a snapshot in which the transaction has ended, so that
// its events are before the barrier in the stream of the tally's transport. When the barrier is back, these events have
// arrived here, or the transport opened again after they were sent. Events that arrived while the tally was live are in
// its counters. Events that arrived while it was not live, or never arrived, are in the load that makes it live again:
// the load kept them, or its fence is later than they are. Therefore a write is applied when its barrier is back and
// the tally is live, in either order. If a load's fence contains the transaction, the write is applied without a
// barrier.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

// The pause before the database is asked again whether a transaction has ended.
constexpr std::chrono::milliseconds ask_again_after{20};

using ended_row = std::tuple<std::vector<std::int64_t>, std::optional<std::string>>;

std::string send_after_ended(transport const& by)
{
    return "with ended as (select x from unnest($2::xid8[]) as waiting (x) "
           "where pg_visible_in_snapshot(x, pg_current_snapshot())) "
           "select array(select x::text::bigint from ended), (select " +
           by.sending("$1") + "::text where exists (select from ended))";
}

}  // namespace

// The barrier's return and the answer of the statement that sent it come in any order.
struct replica_set::impl::write_barrier {
    std::size_t by = 0;                // the transport
    std::vector<std::uint64_t> asked;  // the writes that wait for it, by their numbers in `writes`
    std::optional<std::vector<std::int64_t>> ended;
    bool back = false;
};

// A barrier that the caller sends in its own transaction.
class replica_set::impl::own_barrier final : public barrier_wait {
public:
    explicit own_barrier(impl& set) : openings{set.openings}, set_{&set}
    {
        // The barrier comes by the transport that the tally has when the barrier is sent, which may not be its present
        // one.
        id_ = set.expected.expect([this](std::size_t transport) {
            came_by_ = transport;
            committed_at_ = set_->received.stream_at(transport).committing;
            order_ = set_->received.stream_at(transport).order;
            for (auto const& each : waiting_) each->notify();
            // `end_turn` looks at them.
            for (auto& [number, write] : set_->writes) {
                if (write.sent == this) write.barrier_back_by(transport);
            }
        });
    }
    ~own_barrier() override { set_->expected.forget(id_); }

    std::string const& id() const noexcept override { return id_; }

    asio::awaitable<bool> came_back(std::chrono::milliseconds at_most) override
    {
        if (came_by_) co_return true;
        auto const mine = std::make_shared<db::detail::signal>(set_->executor);
        waiting_.push_back(mine);
        co_await mine->wait_until(clock::now() + at_most);
        std::erase(waiting_, mine);
        co_return came_by_.has_value();
    }

    asio::awaitable<bool> applied(std::string tally, std::optional<cache::xid> transaction,
                                  clock::time_point until) override
    {
        return set_->applied(std::move(tally), transaction, until, this);
    }

    std::optional<std::uint64_t> position(cache::tally const& of) const override
    {
        auto const* const by = set_->received.stream_of(of);
        bool const known =
            came_by_ && by == &set_->received.stream_at(*came_by_) && by->shared() && by->order == order_;
        if (!known || committed_at_ == 0 || !of.shares_positions()) return std::nullopt;
        return committed_at_;
    }

    std::optional<std::size_t> came_by() const noexcept { return came_by_; }

    std::uint64_t const openings;  // of transports, when it was made

private:
    impl* set_;
    std::vector<std::shared_ptr<db::detail::signal>> waiting_;  // in came_back
    std::string id_;
    std::optional<std::size_t> came_by_;
    std::uint64_t committed_at_ = 0;  // in `order_`
    std::string order_;
};

std::unique_ptr<replica_set::barrier_wait> replica_set::impl::expect_barrier()
{
    return std::make_unique<own_barrier>(*this);
}

asio::awaitable<bool> replica_set::impl::applied(std::string name, std::optional<cache::xid> x, clock::time_point until,
                                                 own_barrier* sent)
{
    struct place {
        impl& of;
        std::uint64_t number;
        ~place() { of.writes.erase(number); }
    };
    constexpr std::uint64_t last_id = std::numeric_limits<std::int64_t>::max();
    if (x && static_cast<std::uint64_t>(*x) > last_id) throw std::invalid_argument{"no transaction can have this id"};
    auto const number = ++last_write;
    writes.try_emplace(number, executor, std::move(name), x);
    place const mine{*this, number};
    auto& write = writes.find(number)->second;
    if (auto const* const tally = find(write.tally)) write.by = received.transport_of(*tally).value_or(0);
    if (sent != nullptr) {
        write.sent = sent;
        write.ask_at = clock::time_point::max();
        if (sent->came_by()) write.barrier_back_by(*sent->came_by());
        // The barrier may have been lost with the transport's old connection.
        else if (sent->openings != openings) write.ask_again();
    }
    look_at(write);
    control_wake.notify();
    while (!write.done) {
        if (stopping) throw db::error{make_error_code(db::errc::closed), "the replica was stopped"};
        bool const notified = co_await write.changed.wait_until(until);
        if (!notified && !write.done) co_return false;
    }
    co_return true;
}

void replica_set::impl::look_at(awaited_write& write)
{
    auto const* const tally = find(write.tally);
    if (write.done || tally == nullptr) return;
    auto const by = received.transport_of(*tally);
    // A barrier proves nothing about another transport than the one by which it came.
    if (by && write.come_by(*by)) control_wake.notify();
    bool const live = tally->state() == cache::state::live;
    bool const contained = write.transaction && tally->load_contains(*write.transaction);
    if (!(live && write.barrier_back) && !contained) return;
    write.done = true;
    write.changed.notify();
}

void replica_set::impl::look_at_writes()
{
    for (auto& [number, write] : writes) look_at(write);
}

// A barrier that was sent may have been lost with the transport's old connection.
void replica_set::impl::ask_writes_again(std::size_t transport)
{
    for (auto& [number, write] : writes) {
        if (write.by == transport) write.ask_again();
    }
}

// When the next barrier for an awaited write is due; max() if none is.
replica_set::impl::clock::time_point replica_set::impl::next_write_barrier() const noexcept
{
    auto result = clock::time_point::max();
    for (auto const& [number, write] : writes) {
        if (write.needs_barrier() && transports[write.by].channel) result = std::min(result, write.ask_at);
    }
    return result;
}

// Sends one barrier by each transport, for all writes that wait for a barrier by it.
asio::awaitable<void> replica_set::impl::send_write_barriers(db::connection& connection)
{
    for (std::size_t index = 0; index < transports.size(); ++index) {
        auto const now = clock::now();
        auto const due = [&](auto const& each) { return each.second.due(index, now); };
        bool const any = std::ranges::any_of(writes, due);
        if (any && transports[index].channel) co_await send_write_barrier(connection, index);
    }
}

asio::awaitable<void> replica_set::impl::send_write_barrier(db::connection& connection, std::size_t index)
{
    auto const sent = std::make_shared<write_barrier>();
    sent->by = index;
    std::vector<std::int64_t> transactions;
    auto const now = clock::now();
    for (auto& [number, write] : writes) {
        if (!write.due(index, now)) continue;
        write.ask_at = clock::time_point::max();
        sent->asked.push_back(number);
        transactions.push_back(static_cast<std::int64_t>(*write.transaction));
    }
    auto const back = [this, sent](std::size_t) {
        sent->back = true;
        take_write_barrier(*sent);
    };
    auto const id = expected.expect(back, index);
    auto const payload = barriers::payload(id);
    auto const statement = send_after_ended(*transports[index].channel);
    std::exception_ptr failure;
    try {
        auto const answer = co_await connection.query_as<ended_row>(statement, payload, transactions);
        sent->ended = std::get<0>(answer.one());
        std::ranges::sort(*sent->ended);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        expected.forget(id);
        ask_writes_again(index);
        std::rethrow_exception(failure);
    }
    if (sent->ended->empty()) expected.forget(id);
    for (auto const number : sent->asked) {
        auto const at = writes.find(number);
        if (at == writes.end()) continue;
        auto const transaction = static_cast<std::int64_t>(*at->second.transaction);
        if (!std::ranges::binary_search(*sent->ended, transaction)) at->second.ask_at = clock::now() + ask_again_after;
    }
    take_write_barrier(*sent);
}

void replica_set::impl::take_write_barrier(write_barrier const& sent)
{
    if (!sent.back || !sent.ended) return;
    for (auto const number : sent.asked) {
        auto const at = writes.find(number);
        if (at == writes.end()) continue;
        auto const transaction = static_cast<std::int64_t>(*at->second.transaction);
        if (!std::ranges::binary_search(*sent.ended, transaction)) continue;
        at->second.barrier_back_by(sent.by);
        look_at(at->second);
    }
}

}  // namespace pgtally
