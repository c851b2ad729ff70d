#include <pgtally/server/cli/options.hpp>

#include <boost/test/unit_test.hpp>

#include <unistd.h>
#include <cstdlib>
#include <fstream>
#include <map>

BOOST_AUTO_TEST_SUITE(test_config_file)

using namespace pgtally::server;
using namespace std::chrono_literals;

namespace {

// A file that ends with the test.
class file {
public:
    explicit file(std::string const& text)
    {
        auto const handle = ::mkstemp(path_.data());
        BOOST_REQUIRE(handle >= 0);
        ::close(handle);
        std::ofstream{path_} << text;
    }
    ~file() { std::remove(path_.c_str()); }
    std::string const& path() const { return path_; }

private:
    std::string path_{"/tmp/pgtally-config-XXXXXX"};
};

command parse(std::vector<std::string> arguments, std::map<std::string, std::string> const& variables = {})
{
    arguments.insert(arguments.begin(), "serve");
    return parse_command_line(arguments, [&](std::string const& name) -> std::optional<std::string> {
        auto const at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional{at->second};
    });
}

std::string refused(std::string const& text, std::vector<std::string> arguments = {})
{
    file const with{text};
    arguments.push_back("--config=" + with.path());
    auto const parsed = parse(std::move(arguments));
    auto const* const wrong = std::get_if<wrong_usage>(&parsed);
    BOOST_REQUIRE(wrong != nullptr);
    return wrong->message;
}

void has(std::string const& text, std::string const& part)
{
    BOOST_TEST(text.find(part) != std::string::npos, '"' << part << "\" is not in: " << text);
}

}  // namespace

BOOST_AUTO_TEST_CASE(options_come_from_the_file)
{
    file const with{
        "# the site's counters\n\nlisten = 0.0.0.0:80\nlisten=[::1]:81\nwritable = yes\nheartbeat = 2s\n"
        "dsn = host=db dbname=x password=secret\nallow-origin = https://a.example\nmax-clients = 7 # few\n"};
    auto const parsed = parse({"--config", with.path()});
    auto const& o = std::get<serve_options>(parsed);
    BOOST_TEST_REQUIRE(o.listen.size() == 2U);
    BOOST_TEST(to_string(o.listen[1]) == "[::1]:81");
    BOOST_TEST(o.writable);
    BOOST_TEST((o.heartbeat == 2s));
    BOOST_TEST(o.dsn == "host=db dbname=x password=secret");
    BOOST_TEST(o.bounds.max_clients == 7U);
}

BOOST_AUTO_TEST_CASE(the_command_line_and_the_environment_are_before_it)
{
    file const with{"heartbeat = 2s\nmax-clients = 7\nlisten = 0.0.0.0:80\nwritable = true\n"};
    auto const parsed = parse({"--max-clients", "9"}, {{"PGTALLY_CONFIG", with.path()},
                                                       {"PGTALLY_HEARTBEAT", "3s"},
                                                       {"PGTALLY_LISTEN", "127.0.0.1:82"},
                                                       {"PGTALLY_WRITABLE", "no"}});
    auto const& o = std::get<serve_options>(parsed);
    BOOST_TEST(o.bounds.max_clients == 9U);
    BOOST_TEST((o.heartbeat == 3s));
    BOOST_TEST_REQUIRE(o.listen.size() == 1U);
    BOOST_TEST(to_string(o.listen[0]) == "127.0.0.1:82");
    BOOST_TEST(!o.writable);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named_with_the_file)
{
    has(refused("hartbeat = 2s\n"), "there is no option 'hartbeat'; did you mean heartbeat?");
    has(refused("config = x\n"), "there is no option 'config' for files");
    has(refused("[serve]\nlisten = x:1\n"), "there is no option 'serve.listen'");
    has(refused("heartbeat = soon\n"), ": heartbeat: 'soon' is not valid; allowed is a time");
    has(refused("writable = perhaps\n"), ": writable: 'perhaps' is not valid; allowed is true or false");
    has(refused("just words\n"), ": a line is not `option = value`");
    has(refused(std::string((1U << 20) + 1, '#')), "has more than 1 MiB");
    auto const parsed = parse({"--config=/nowhere/at/all"});
    has(std::get<wrong_usage>(parsed).message, "--config: cannot read '/nowhere/at/all': No such file or directory");
    auto const secret = refused("password=secret words\n");
    BOOST_TEST(secret.find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_word_that_is_almost_an_option)
{
    auto const said = [](std::vector<std::string> const& arguments) {
        return std::get<wrong_usage>(parse(arguments)).message;
    };
    has(said({"--lissen", "x"}), "unrecognised option '--lissen'; did you mean listen?");
    has(said({"--writeable"}), "did you mean writable?");
    BOOST_TEST(said({"--xyzzy"}).find("did you mean") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(options_are_checked_without_serving)
{
    file const with{"heartbeat = 2s\n"};
    auto const good = parse({"--check-config", "--config", with.path()});
    BOOST_TEST(std::get<print_text>(good).text == "pgtally serve: the options are valid\n");
    has(refused("heartbeat = 0\n", {"--check-config"}), "heartbeat: '0' is not valid");
}

BOOST_AUTO_TEST_SUITE_END()
