// Read your writes: of a transaction that somebody committed on a connection of their own, and of one that carries a
// barrier of its own.
//
// Why it is right. A barrier is sent by a statement whose snapshot has the transaction as ended, so that its events are
// before the barrier in the queue. When the barrier is back, they were handed over here, or the transport was opened
// anew after they were sent. What of them came while the tally was live is in its counters. What came while it was not,
// or never, is in whatever load makes it live again: such a load kept them, or its fence is later than they are. So:
// barrier back, and the tally live, at once or later. A load whose fence contains the transaction proves it without.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

// A transaction that has not ended is asked after so often.
constexpr std::chrono::milliseconds ask_again_after{20};

using ended_row = std::tuple<std::vector<std::int64_t>, std::optional<std::string>>;

constexpr char const* send_after_ended =
    "with ended as (select x from unnest($2::xid8[]) as waiting (x) "
    "where pg_visible_in_snapshot(x, pg_current_snapshot())) "
    "select array(select x::text::bigint from ended), "
    "(select pg_notify('tally', $1)::text where exists (select from ended))";

}  // namespace

// The barrier's return and the answer of the statement that sent it come in any order.
struct replica_set::impl::write_barrier {
    std::vector<std::uint64_t> asked;  // their numbers in `writes`
    std::optional<std::vector<std::int64_t>> ended;
    bool back = false;
};

// Sent by its owner, in a transaction of theirs.
class replica_set::impl::own_barrier final : public barrier_wait {
public:
    explicit own_barrier(impl& set) : opened_at{set.opened_at}, set_{&set}, back_{set.executor}
    {
        id_ = set.expected.expect([this] {
            came_ = true;
            back_.notify();
            auto const at = set_->writes.find(write);
            if (at != set_->writes.end()) at->second.barrier_back = true;  // looked at when the turn ends
        });
    }
    ~own_barrier() override { set_->expected.forget(id_); }

    std::string const& id() const noexcept override { return id_; }

    asio::awaitable<bool> came_back(std::chrono::milliseconds at_most) override
    {
        if (!came_) co_await back_.wait_until(clock::now() + at_most);
        co_return came_;
    }

    asio::awaitable<bool> applied(std::string tally, std::optional<cache::xid> transaction,
                                  clock::time_point until) override
    {
        return set_->applied(std::move(tally), transaction, until, this);
    }

    bool came() const noexcept { return came_; }

    std::uint64_t write = 0;            // the number of the write that waits for it
    clock::time_point const opened_at;  // the transport, when it was made

private:
    impl* set_;
    db::detail::signal back_;
    std::string id_;
    bool came_ = false;
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
    if (sent != nullptr) {
        sent->write = number;
        write.ask_at = clock::time_point::max();
        write.barrier_back = sent->came();
        // Lost with the connection that it was to come by, perhaps.
        if (x && sent->opened_at != opened_at && !write.barrier_back) write.ask_at = clock::time_point{};
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
    auto const* const tally = find(write.name);
    if (write.done || tally == nullptr) return;
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

// What was sent may have been lost with the connection that it was to come by.
void replica_set::impl::ask_writes_again()
{
    for (auto& [number, write] : writes) {
        if (write.transaction && !write.barrier_back) write.ask_at = clock::time_point{};
    }
}

// When the next barrier for them is due; max() if none is.
replica_set::impl::clock::time_point replica_set::impl::next_write_barrier() const noexcept
{
    auto result = clock::time_point::max();
    for (auto const& [number, write] : writes) {
        if (!write.done && !write.barrier_back) result = std::min(result, write.ask_at);
    }
    return result;
}

// One barrier for all that wait for one.
asio::awaitable<void> replica_set::impl::send_write_barrier(db::connection& connection)
{
    auto const sent = std::make_shared<write_barrier>();
    std::vector<std::int64_t> transactions;
    auto const now = clock::now();
    for (auto& [number, write] : writes) {
        if (write.done || write.barrier_back || write.ask_at > now) continue;
        write.ask_at = clock::time_point::max();
        sent->asked.push_back(number);
        transactions.push_back(static_cast<std::int64_t>(*write.transaction));
    }
    auto const id = expected.expect([this, sent] {
        sent->back = true;
        take_write_barrier(*sent);
    });
    auto const payload = barriers::payload(id);
    std::exception_ptr failure;
    try {
        auto const answer = co_await connection.query_as<ended_row>(send_after_ended, payload, transactions);
        sent->ended = std::get<0>(answer.one());
        std::ranges::sort(*sent->ended);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        expected.forget(id);
        ask_writes_again();
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
        at->second.barrier_back = true;
        look_at(at->second);
    }
}

}  // namespace pgtally
