// Read your writes on any server: waits until a tally has reached a position.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <utility>

namespace pgtally {

class replica_set::impl::own_position final : public position_wait {
public:
    own_position(impl& set, std::string tally, cache::since_point at)
        : set_{&set}
        , tally_{std::move(tally)}
        , at_{std::move(at)}
        , changed_{set.executor}
        , place_{set.positions.add(tally_, at_.revision, changed_)}
    {
    }
    ~own_position() override { set_->positions.remove(tally_, place_); }

    asio::awaitable<cache::arrival> arrives(clock::time_point until) override
    {
        for (bool in_time = true;;) {
            auto const* const tally = set_->find(tally_);
            bool const last = !in_time || left_ || set_->stopping || tally == nullptr;
            auto const seen = tally == nullptr ? cache::arrival::not_yet : cache::arrival_at(*tally, at_, last);
            if (last || seen != cache::arrival::not_yet) co_return seen;
            in_time = co_await changed_.wait_until(until);
        }
    }

    void leave() noexcept override
    {
        left_ = true;
        changed_.notify();
    }

private:
    impl* set_;
    std::string const tally_;
    cache::since_point const at_;
    db::detail::signal changed_;
    awaited_positions::place place_;
    bool left_ = false;
};

std::unique_ptr<replica_set::position_wait> replica_set::impl::expect_position(std::string tally, cache::since_point at)
{
    return std::make_unique<own_position>(*this, std::move(tally), std::move(at));
}

}  // namespace pgtally
