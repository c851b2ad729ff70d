#include <pgtally/db/detail/wal_queue.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace pgtally::db::detail {
namespace {

constexpr std::size_t kept_events = 4096;  // capacity beyond this is freed after a peak

}  // namespace

std::size_t wal_queue::body::size() const noexcept
{
    return bytes.size() + ends.size() * sizeof(std::string_view);
}

void wal_queue::batch::clear() noexcept
{
    bodies.clear();
    events.clear();
    if (events.capacity() > kept_events) std::vector<wal::event>().swap(events);
    transactions = bytes = 0;
}

wal_queue::wal_queue(std::size_t max_transactions, std::size_t max_bytes, std::size_t max_transaction_bytes)
    : max_transactions_(std::max(max_transactions, std::size_t{1}))
    , max_bytes_(max_bytes)
    , max_transaction_bytes_(max_transaction_bytes)
    , back_(std::make_unique<batch>())
    , front_(std::make_unique<batch>())
{
}

void wal_queue::begin()
{
    arriving_ = body();
}

bool wal_queue::add(std::string_view content)
{
    if (!arriving_.complete) return true;
    auto const room = max_transaction_bytes_ - arriving_.size();
    if (room < sizeof(std::string_view) || content.size() > room - sizeof(std::string_view)) {
        arriving_ = body();
        arriving_.complete = false;
        return false;
    }
    arriving_.bytes.append(content);
    arriving_.ends.push_back(arriving_.bytes.size());
    return true;
}

wal_queue::pushed wal_queue::commit(std::uint32_t xid, lsn record, lsn end,
                                    std::chrono::sys_time<std::chrono::microseconds> at)
{
    auto arrived = std::exchange(arriving_, body());
    if (arrived.complete && arrived.ends.empty()) return pushed::nothing;
    auto& to = *back_;
    auto const size = arrived.size();
    auto const full = to.transactions >= max_transactions_ ||
                      (to.transactions > 0 && size > max_bytes_ - std::min(max_bytes_, to.bytes));
    if (full) {
        to.clear();
        push_streaming(streaming_);
        return pushed::overflow;
    }
    auto& kept = to.bodies.emplace_back(std::move(arrived));
    std::string_view const bytes = kept.bytes;
    kept.messages.reserve(kept.ends.size());
    std::size_t start = 0;
    for (auto const each : kept.ends) kept.messages.push_back(bytes.substr(std::exchange(start, each), each - start));
    std::vector<std::size_t>().swap(kept.ends);
    wal::transaction whole;
    whole.xid = xid;
    whole.commit = record;
    whole.end = end;
    whole.at = at;
    whole.messages = kept.messages;
    whole.complete = kept.complete;
    to.events.emplace_back(whole);
    ++to.transactions;
    to.bytes += size;
    ++pending_;
    last_ = end;
    return pushed::queued;
}

// `streaming` makes all earlier events unnecessary.
void wal_queue::push_streaming(wal::streaming now)
{
    if (back_->events.size() >= max_transactions_) back_->clear();
    streaming_ = now;
    back_->events.emplace_back(std::move(now));
    pending_ = 0;
    last_ = fetched_ = lsn{};
}

void wal_queue::push_waiting(wal::waiting now)
{
    push_instead(now);
}

void wal_queue::push_lost(lost why)
{
    push_instead(std::move(why));
}

// A later `streaming` makes all earlier events unnecessary.
template <class Event>
void wal_queue::push_instead(Event now)
{
    auto& events = back_->events;
    if (events.size() >= max_transactions_) back_->clear();
    if (!events.empty() && std::holds_alternative<Event>(events.back())) events.pop_back();
    events.emplace_back(std::move(now));
}

std::span<wal::event const> wal_queue::take()
{
    std::swap(back_, front_);
    back_->clear();
    if (std::exchange(pending_, 0) > 0) fetched_ = last_;
    return front_->events;
}

}  // namespace pgtally::db::detail
