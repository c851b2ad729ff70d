// An Asio program that embeds a replica: prints each change of the tally "tweets" until it is interrupted.

//[ watch
#include <pgtally/cache/replica/replica.hpp>
//]

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>

//[ watch
int main()
{
    boost::asio::io_context ctx;
    pgtally::replica replica{ctx.get_executor(), {.dsn = std::getenv("PGTALLY_DSN"), .tally = "tweets"}};
    auto const sub = replica.subscribe_all([](auto const& changes) {
        for (auto const& [key, counters] : changes) {
            std::cout << key << " rts " << counters["rts"] << " favs " << counters["favs"] << std::endl;
        }
    });
    boost::asio::signal_set interrupted{ctx, SIGINT};
    interrupted.async_wait([&](auto, int) { replica.stop(); });
    boost::asio::co_spawn(ctx, replica.run(), [&](std::exception_ptr) { interrupted.cancel(); });
    ctx.run();
}
//]
