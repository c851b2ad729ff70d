// pgtally-bench-counts: the work whose instructions tools/bench counts. Each case does a fixed amount of it inside
// `measured`, the only function that callgrind looks into, and prints how many items that were.

#include "tallies.hpp"

#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/api/router.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/message.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/ws/frame_writer.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

extern "C" __attribute__((noinline)) void measured(std::function<void()> const& work)
{
    work();
}

namespace pgtally::bench {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t events = 10'000, keys = 1'000, clients = 1'000, changes = 10, gets = 1'000,
                      own_keys = 500;  // as many as an event holds

struct directory final : server::tally_directory {
    cache::tally* find(std::string_view name) override { return name == "tweets" ? only.get() : nullptr; }
    bool knows_tallies() const override { return true; }
    cache::reason failure() const override { return {}; }
    cache::limits const& bounds() const override { return only->bounds(); }

    std::unique_ptr<cache::tally> only = make_tally([](cache::tally& loading) {
        for (std::size_t i = 0; i < keys; ++i) {
            std::int64_t const counters[]{1, 2};
            loading.add_truth_row(std::to_string(i), counters);
        }
    });
};

void check(bool holds)
{
    if (!holds) throw std::logic_error("the work was not done");
}

void apply(cache::tally& to, std::string_view payload, cache::event& decoded)
{
    check(cache::decode(payload, decoded) == cache::event_error::none);
    to.apply(decoded);
    to.flush();
}

std::string payload_of(std::size_t key)
{
    return R"({"t":"tweets","x":"11","n":1,"at":1,"d":[[")" + std::to_string(key) + R"(",1,0]]})";
}

// Decodes and applies events of one key.
std::size_t event()
{
    directory of;
    std::deque<std::string> payloads;
    for (std::size_t i = 0; i < events; ++i) payloads.push_back(payload_of(i % keys));
    cache::event decoded;
    measured([&] {
        for (auto const& each : payloads) apply(*of.only, each, decoded);
    });
    check(of.only->changes() >= events);
    return events;
}

// Clients that watch one key, or each its own: from changes of all these to the bytes of each client's frame.
std::size_t change(std::size_t watched)
{
    directory of;
    server::limits const bounds;
    server::shared_changes shared{bounds.max_shared_changes, bounds.max_shared_keys};
    std::deque<server::ws_protocol> all;
    server::ws_message message;
    for (std::size_t i = 0; i < clients; ++i) {
        all.emplace_back(of, shared, bounds, server::audience::everybody, nullptr, server::permit::everything(),
                         server::moment{}, [] {});
        auto const key = std::to_string(i % watched);
        all.back().receive(R"({"type":"subscribe","id":1,"tally":"tweets","keys":[")" + key + R"("]})", {});
        while (all.back().next(message, {})) continue;
    }
    std::string text = payload_of(0);
    for (std::size_t i = 1; i < watched; ++i) text.insert(text.size() - 2, R"(,[")" + std::to_string(i) + R"(",1,0])");
    cache::event decoded;
    std::string frame;
    std::size_t sent = 0;
    measured([&] {
        for (std::size_t i = 0; i < changes; ++i) {
            apply(*of.only, text, decoded);
            for (auto& each : all) {
                while (each.next(message, {})) {
                    frame.clear();
                    server::append_text_head(frame, message.size());
                    frame += message.head;
                    if (message.tail) frame += *message.tail;
                    ++sent;
                }
            }
        }
    });
    check(sent == clients * changes);
    return sent;
}

// A request for one key, from its bytes to those of the answer.
std::size_t get()
{
    directory of;
    server::limits const bounds;
    std::string_view const text =
        "GET /v1/tallies/tweets/keys/33 HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n";
    std::size_t answered = 0;
    measured([&] {
        for (std::size_t i = 0; i < gets; ++i) {
            http::request_parser<http::string_body> parser;
            server::beast::error_code failure;
            parser.put(boost::asio::buffer(text), failure);
            check(!failure && parser.is_done());
            auto const message = parser.release();
            check(server::refuse_header(server::facts_of(message), bounds).status == 200);
            auto const asked = server::request_of(message, {});
            auto const split = server::split_target(asked.target);
            auto const where = server::find_route(split->path, false);
            auto const* const tally = of.find(where.tally);
            auto const answer =
                server::read_key(*tally, std::string{where.key}, {asked.who(), asked.if_match, asked.if_none_match});
            auto const head = server::encode_head(answer, {});
            if (answer.status == 200 && head.size() + answer.body.size() > 100) ++answered;
        }
    });
    check(answered == gets);
    return gets;
}

std::size_t run(std::string_view what)
{
    if (what == "event") return event();
    if (what == "change") return change(1);
    if (what == "own") return change(own_keys);
    if (what == "get") return get();
    return 0;
}

}  // namespace
}  // namespace pgtally::bench

int main(int argc, char** argv)
{
    try {
        auto const items = pgtally::bench::run(argc == 2 ? argv[1] : "");
        if (items > 0) return std::printf("%zu\n", items) < 0;
        std::fputs("usage: pgtally-bench-counts event|change|own|get\n", stderr);
        return 2;
    } catch (std::exception const& failure) {
        std::fprintf(stderr, "pgtally-bench-counts: %s\n", failure.what());
        return 1;
    }
}
