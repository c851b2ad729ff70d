// The first bytes of a connection: a PROXY header, and where the header of a request ends; and the fields by which proxies name
// their clients.

#include "fuzz.hpp"

#include <pgtally/server/http/forwarded.hpp>
#include <pgtally/server/http/header_text.hpp>
#include <pgtally/server/http/proxy_header.hpp>

#include <string>

namespace {

using namespace pgtally::server;
using pgtally::fuzz::expect;

void read_proxy(std::string_view bytes)
{
    auto const read = read_proxy_header(bytes);
    if (read.found == proxy_header::state::incomplete) {
        expect(bytes.size() < max_proxy_header_bytes, "so many bytes are enough");
        return;
    }
    auto const longer = read_proxy_header(std::string{bytes} + "x");
    expect(longer.found == read.found && longer.size == read.size && longer.client == read.client,
           "what comes afterwards changes nothing");
    if (read.found != proxy_header::state::complete) return;
    expect(read.size <= bytes.size() && read.size <= max_proxy_header_bytes, "a header is within its bytes");
    if (read.client) expect(parse_ip_address(to_string(*read.client)) == read.client, "an address is read as written");
}

void read_header(std::string_view bytes)
{
    header_text whole, slowly;
    auto const found = whole.look(bytes);
    auto by_byte = header_text::state::incomplete;
    for (std::size_t size = 0; size <= bytes.size() && by_byte == header_text::state::incomplete; ++size) {
        by_byte = slowly.look(bytes.substr(0, size));
    }
    expect(by_byte == found, "byte by byte and at once are the same");
    if (found != header_text::state::complete) return;
    expect(whole.size() == slowly.size() && whole.skipped() == slowly.skipped(), "so is the end");
    expect(whole.skipped() <= header_text::most_skipped, "few empty lines are skipped");
    auto const header = bytes.substr(whole.skipped(), whole.size());
    expect(header.ends_with("\r\n\r\n") && header.find("\r\n\r\n") == header.size() - 4,
           "it ends by its first empty line");
    names_other_version(header);
}

void name_client(std::string_view text)
{
    auto const middle = text.find('\n');
    auto const list = text.substr(0, middle);
    auto const forwarded = middle == std::string_view::npos ? std::string_view{} : text.substr(middle + 1);
    auto const peer = parse_ip_address("10.0.0.1").value();
    auto const proxies = parse_ip_network("10.0.0.0/8").value();
    expect(client_of(peer, list, forwarded, {}) == peer, "nobody is trusted");
    auto const client = client_of(peer, list, forwarded, {proxies});
    auto const again = client_of(peer, list.empty() ? list : "1.1.1.1, " + std::string{list}, forwarded, {proxies});
    expect(proxies.contains(client) || client == again, "what is before the client changes nothing");
    if (auto const network = parse_ip_network(list))
        expect(network->contains(network->first), "a network has its first address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    read_proxy(text);
    read_header(text);
    name_client(text);
    return 0;
}
