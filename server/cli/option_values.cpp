#include <pgtally/server/base/byte_size.hpp>
#include <pgtally/server/base/duration.hpp>
#include <pgtally/server/base/whole_number.hpp>
#include <pgtally/server/cli/option_values.hpp>

#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace pgtally::server {

namespace po = boost::program_options;

namespace {

constexpr char const* word = "word";

// Whether the text surely contains no connection string.
bool harmless(std::string_view text)
{
    std::string lower;
    for (char const c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    for (std::string_view const suspect : {"://", "=", "@", "password"}) {
        if (lower.find(suspect) != std::string::npos) return false;
    }
    return true;
}

// The name in the argument `--name=value` or `-nvalue`.
std::string name_of(std::string const& token)
{
    if (!token.starts_with("--")) return token.substr(0, 2);
    auto name = token.substr(0, token.find('='));
    auto const in_name = [](char c) {
        return c == '-' || c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    };
    return std::all_of(name.begin(), name.end(), in_name) ? name : "an option";
}

// Throws if an argument belongs to no option.
void refuse_stray(std::vector<po::option> const& parsed, std::vector<std::string> const& arguments)
{
    std::size_t before = 0;
    for (auto const& one : parsed) {
        if (!one.string_key.empty()) {
            before += one.original_tokens.size();
            continue;
        }
        if (before < arguments.size() && arguments[before] == "--") ++before;
        auto const value = one.value.empty() ? std::string{} : one.value.front();
        throw bad_option{"an argument that belongs to no option: " +
                         (harmless(value) ? shown(value) : "number " + std::to_string(before + 1))};
    }
}

}  // namespace

std::string shown(std::string const& value)
{
    return harmless(value) ? "'" + value + "'" : "the given value";
}

std::string variable_of(std::string const& option)
{
    std::string out{"PGTALLY_"};
    for (char const c : option) {
        out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return out;
}

option_values::option_values(po::options_description const& known, std::vector<std::string> const& arguments,
                             environment const& getenv, bool takes_words)
    : getenv_{getenv}
{
    try {
        // No abbreviations: a new option could change the meaning of one.
        auto const style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
        po::command_line_parser parser{arguments};
        po::options_description all;
        all.add(known);
        po::positional_options_description rest;
        if (takes_words) {
            all.add_options()(word, po::value<std::vector<std::string>>());
            parser.positional(rest.add(word, -1));
        }
        auto const parsed =
            parser.options(all).style(takes_words ? style & ~po::command_line_style::allow_short : style).run();
        if (!takes_words) refuse_stray(parsed.options, arguments);
        po::store(parsed, given_);
    } catch (po::unknown_option const& e) {
        // what() quotes the whole argument, which can hold a password.
        auto const name = name_of(e.get_option_name());
        throw bad_option{"unrecognised option '" + name + "'" +
                         (name.starts_with("--") ? suggestion(name.substr(2), known) : std::string{})};
    } catch (po::error_with_option_name const& e) {
        std::string const text = e.what();
        throw bad_option{harmless(text) ? text
                                        : "the given value of " + name_of(e.get_option_name()) + " is not valid"};
    } catch (po::error const& e) {
        throw bad_option{harmless(e.what()) ? e.what() : "the arguments are not valid"};
    }
    if (known.find_nothrow("config", false) == nullptr) return;
    path_ = text("config", "");
    if (!path_.empty()) file_ = read_config_file(path_, known);
}

void option_values::refuse(std::string const& name, std::string const& value, std::string const& allowed) const
{
    auto where = "--" + name;
    if (given_.count(name) == 0) where = from_environment(name).empty() ? path_ + ": " + name : variable_of(name);
    throw bad_option{where + ": " + shown(value) + " is not valid; allowed is " + allowed};
}

std::string option_values::variable(std::string const& name) const
{
    return getenv_(name).value_or("");
}

std::string option_values::from_environment(std::string const& name) const
{
    return variable(variable_of(name));
}

std::string option_values::from_file(std::string const& name) const
{
    auto const at = file_.find(name);
    return at == file_.end() || at->second.empty() ? std::string{} : at->second.back();
}

bool option_values::flag(std::string const& name) const
{
    if (given_.count(name) != 0) return true;
    auto value = from_environment(name);
    if (value.empty()) value = from_file(name);
    constexpr std::array<std::string_view, 4> yes{"1", "true", "yes", "on"}, no{"0", "false", "no", "off"};
    if (value.empty() || std::find(no.begin(), no.end(), value) != no.end()) return false;
    if (std::find(yes.begin(), yes.end(), value) == yes.end()) refuse(name, value, "true or false");
    return true;
}

std::string option_values::text(std::string const& name, std::string const& otherwise) const
{
    if (given_.count(name) != 0) return given_[name].as<std::string>();
    auto value = from_environment(name);
    if (value.empty()) value = from_file(name);
    return value.empty() ? otherwise : value;
}

std::vector<std::string> option_values::words() const
{
    return given_.count(word) != 0 ? given_[word].as<std::vector<std::string>>() : std::vector<std::string>{};
}

std::vector<std::string> option_values::list(std::string const& name) const
{
    if (given_.count(name) != 0) return given_[name].as<std::vector<std::string>>();
    std::vector<std::string> out;
    auto const value = from_environment(name);
    if (auto const at = file_.find(name); value.empty() && at != file_.end()) return at->second;
    for (std::size_t begin = 0; begin < value.size();) {
        auto const comma = std::min(value.find(',', begin), value.size());
        auto const first = value.find_first_not_of(' ', begin);
        auto const last = value.find_last_not_of(' ', comma == 0 ? 0 : comma - 1);
        if (first < comma) out.push_back(value.substr(first, last - first + 1));
        begin = comma + 1;
    }
    return out;
}

std::chrono::milliseconds option_values::time(std::string const& name, std::string const& otherwise,
                                              std::chrono::milliseconds least, std::chrono::milliseconds most) const
{
    auto const value = text(name, otherwise);
    auto const parsed = parse_duration(value);
    if (!parsed || *parsed < least || *parsed > most) {
        auto const upper = most == most.max() ? "" : ", at most " + std::to_string(most.count()) + "ms";
        refuse(name, value,
               "a time like 250ms, 5s, 2m or 1h, at least " + std::to_string(least.count()) + "ms" + upper);
    }
    return *parsed;
}

std::size_t option_values::count(std::string const& name, std::size_t otherwise, std::size_t least,
                                 std::size_t most) const
{
    auto const value = text(name, std::to_string(otherwise));
    auto const number = whole_number(value, least, most);
    if (!number) refuse(name, value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    return *number;
}

std::uint64_t option_values::bytes(std::string const& name, std::string const& otherwise, std::uint64_t least) const
{
    auto const value = text(name, otherwise);
    auto const parsed = parse_byte_size(value);
    if (!parsed || (*parsed != 0 && *parsed < least)) {
        refuse(name, value,
               "a number of bytes like 1048576, 512KiB, 64MiB or 1GiB, at least " + std::to_string(least) + ", or 0");
    }
    return *parsed;
}

endpoint option_values::address(std::string const& name, std::string const& value) const
{
    auto const parsed = parse_endpoint(value);
    if (!parsed)
        refuse(name, value,
               "HOST:PORT, like 127.0.0.1:8080 or [::1]:8080, or unix: and an absolute path of at most 107 bytes");
    return *parsed;
}

}  // namespace pgtally::server
