#include "ear.hpp"
#include "keeper.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>

namespace pgtally::lab {
namespace {

class listening_keeper final : public keeper {
public:
    explicit listening_keeper(laboratory& lab) : ear_(lab, {"pgtally_lab.activity"}, entering()) {}

    asio::awaitable<void> start() override { co_await ear_.listen(); }

    asio::awaitable<std::vector<count>> read(std::vector<std::int64_t>) override
    {
        co_await ear_.catch_up();
        std::vector<count> all;
        for (auto const& [messageid, rts] : *rts_) all.push_back({messageid, rts});
        co_return all;
    }

private:
    using ledger = std::map<std::int64_t, std::int64_t>;

    ear::hear entering() const
    {
        return [rts = rts_](std::string_view, std::string_view payload) {
            auto const change = boost::json::parse({payload.data(), payload.size()});
            (*rts)[change.at("messageid").as_int64()] += change.at("rts").as_int64();
        };
    }

    std::shared_ptr<ledger> rts_ = std::make_shared<ledger>();
    ear ear_;
};

}  // namespace

std::unique_ptr<keeper> make_listening_keeper(laboratory& lab)
{
    return std::make_unique<listening_keeper>(lab);
}

}  // namespace pgtally::lab
