// A replication stream: any bytes are messages or an error; a stream written by a server is read as it was written.

#include "fuzz.hpp"

#include <pgtally/db/detail/pgoutput.hpp>
#include <pgtally/db/detail/wal_queue.hpp>
#include <pgtally/db/lsn.hpp>
#include <pgtally/test/db/detail/wal_bytes.hpp>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace pgtally::db;
namespace pgoutput = pgtally::db::detail::pgoutput;
namespace bytes = pgtally::test::wal_bytes;
using pgtally::fuzz::expect;

constexpr std::size_t max_transaction = 200;

bool is_inside(std::string_view part, std::string_view whole)
{
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// The input as CopyData messages: a length of one byte before each. Queues what a stream would.
void read_any(std::string_view input)
{
    pgoutput::decoder decoder;
    detail::wal_queue queue(3, max_transaction, max_transaction);
    queue.push_streaming(wal::streaming());
    while (!input.empty()) {
        auto const length = static_cast<unsigned char>(input.front());
        input.remove_prefix(1);
        auto const one = input.substr(0, length);
        input.remove_prefix(one.size());
        auto const was_open = decoder.in_transaction();
        auto const decoded = decoder.decode(one);
        if (auto const* wrong = std::get_if<pgoutput::malformed>(&decoded)) {
            expect(!wrong->what.empty() && wrong->what.size() < 100, "an error says what is wrong, in few words");
            return;
        }
        if (std::holds_alternative<pgoutput::begin>(decoded)) {
            expect(!was_open && decoder.in_transaction(), "a begin opens");
            queue.begin();
        } else if (auto const* m = std::get_if<pgoutput::message>(&decoded)) {
            expect(was_open, "a message is inside a transaction");
            expect(is_inside(m->prefix, one) && is_inside(m->content, one), "its parts are parts of the bytes");
            queue.add(m->content);
        } else if (auto const* c = std::get_if<pgoutput::commit>(&decoded)) {
            expect(was_open && !decoder.in_transaction(), "a commit closes");
            queue.commit(c->xid, c->commit_record, c->end, c->at);
            expect(queue.pending() <= 3, "the queue has a limit");
            expect(parse_lsn(to_string(c->end)) == c->end, "a position printed and read is the same");
        }
    }
    for (auto const& event : queue.take()) {
        auto const* const t = std::get_if<wal::transaction>(&event);
        if (t == nullptr) continue;
        std::size_t size = 0;
        for (auto const message : t->messages) size += message.size();
        expect(size <= max_transaction, "a transaction has a limit");
        expect(t->complete != t->messages.empty(), "a transaction has messages, or says that they are gone");
    }
}

// The input as contents, which a server sends as a transaction.
void read_written(std::string_view input)
{
    std::vector<std::string> contents(1);
    for (char const c : input) {
        if (c == '\n') contents.emplace_back();
        else contents.back() += c;
    }
    pgoutput::decoder decoder;
    expect(std::holds_alternative<pgoutput::begin>(decoder.decode(bytes::begin(7))), "a begin is one");
    for (auto const& content : contents) {
        auto const sent = bytes::message("test", content);
        auto const read = decoder.decode(sent);
        auto const* const message = std::get_if<pgoutput::message>(&read);
        expect(message != nullptr && message->prefix == "test" && message->content == content,
               "a message is as it was");
        expect(std::holds_alternative<pgoutput::malformed>(pgoutput::decoder(decoder).decode(sent + "x")),
               "a message with a byte too many is none");
    }
    expect(std::holds_alternative<pgoutput::commit>(decoder.decode(bytes::commit(1, 2))), "a commit is one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    read_any(text);
    read_written(text);
    if (auto const position = parse_lsn(text))
        expect(parse_lsn(to_string(*position)) == *position, "a position printed and read is the same");
    return 0;
}
