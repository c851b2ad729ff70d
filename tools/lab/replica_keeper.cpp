#include "keeper.hpp"
#include "own_replica.hpp"

namespace pgtally::lab {
namespace {

class replica_keeper final : public keeper {
public:
    explicit replica_keeper(laboratory& lab) : replica_(lab) {}

    asio::awaitable<void> start() override
    {
        replica_.start();
        co_await replica_.until_live();
    }

    asio::awaitable<std::vector<count>> read(std::vector<std::int64_t> messages) override
    {
        co_await replica_.catch_up();
        std::vector<count> all;
        for (auto const messageid : messages) all.push_back({messageid, replica_.rts(messageid)});
        co_return all;
    }

private:
    own_replica replica_;
};

}  // namespace

std::unique_ptr<keeper> make_replica_keeper(laboratory& lab)
{
    return std::make_unique<replica_keeper>(lab);
}

}  // namespace pgtally::lab
