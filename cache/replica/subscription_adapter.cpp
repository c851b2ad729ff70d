#include <pgtally/cache/replica/subscription_adapter.hpp>

#include <pgtally/cache/tally.hpp>

#include <boost/asio/post.hpp>

#include <exception>
#include <utility>

namespace pgtally {

subscription_adapter::subscription_adapter(boost::asio::any_io_executor executor, std::shared_ptr<group> of,
                                           std::vector<any_key> keys, bool all, callback call)
    : executor_{std::move(executor)}
    , group_{std::move(of)}
    , keys_{std::move(keys)}
    , all_{all}
    , callback_{std::move(call)}
{
}

subscription_adapter::subscription_adapter(boost::asio::any_io_executor executor, std::shared_ptr<group> of,
                                           cache::question asks, answer_callback call)
    : executor_{std::move(executor)}, group_{std::move(of)}, asks_{std::move(asks)}, answer_callback_{std::move(call)}
{
}

void subscription_adapter::attach(cache::tally& which)
{
    if (ended_ || (subscription_ && !subscription_->dropped())) return;
    cache::subscription::options chosen;
    chosen.all_keys = all_;
    chosen.asks = asks_;
    subscription_ = std::make_unique<cache::subscription>(which, *this, chosen);
    for (auto const& k : keys_) {
        // A text that cannot be a key of this tally is never counted, so it needs no subscription.
        if (auto const parsed = cache::parse_key(which.definition().kind(), k.text())) subscription_->track(*parsed);
    }
    which.subscribers().wake(*subscription_);
}

void subscription_adapter::end() noexcept
{
    ended_ = true;
    if (!calling_) subscription_.reset();
}

void subscription_adapter::wake(cache::subscription& which)
{
    if (ended_ || group_->ended) return;
    if (which.dropped()) {
        // Another tally of that name may be created later.
        group_->detached.push_back(weak_from_this());
        return;
    }
    auto const alive = shared_from_this();
    if (asks_) return wake_with_answer();
    bool const snapshot = collect();
    if (!snapshot && items_.empty()) return;
    auto const& tally = *subscription_->of();
    changes const what{*subscription_, items_,
                       std::make_shared<std::vector<std::string> const>(tally.definition().counters), snapshot};
    call([&] { callback_(what); });
}

// Of several messages the last one has the newest answer.
void subscription_adapter::wake_with_answer()
{
    bool answered = false;
    cache::update newest;
    for (subscription_->next(part_, {}); part_.what != cache::update::kind::none; subscription_->next(part_, {})) {
        if (part_.what == cache::update::kind::dropped) return group_->detached.push_back(weak_from_this());
        if (part_.answered == nullptr) continue;
        answered = true;
        newest = part_;
    }
    if (!answered) return;
    auto const names = subscription_->of()->definition().counters;
    call([&] { answer_callback_(newest, names); });
}

// Collects every message that is due into `items_`; the parts of a snapshot become one. Returns whether it is a snapshot.
bool subscription_adapter::collect()
{
    bool snapshot = false;
    items_.clear();
    do {
        subscription_->next(part_, {});
        snapshot = snapshot || part_.what == cache::update::kind::snapshot;
        items_.insert(items_.end(), part_.items.begin(), part_.items.end());
    } while (part_.what != cache::update::kind::none);
    return snapshot;
}

// A callback's exception must not interrupt the turn. It leaves the context's run() instead, as an exception of any
// handler does.
template <class F>
void subscription_adapter::call(F const& what)
{
    calling_ = true;
    try {
        what();
    } catch (...) {
        auto const rethrow = [thrown = std::current_exception()] { std::rethrow_exception(thrown); };
        boost::asio::post(executor_, rethrow);
    }
    calling_ = false;
    if (ended_) subscription_.reset();
}

}  // namespace pgtally
