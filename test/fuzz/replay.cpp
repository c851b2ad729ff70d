// Runs a fuzz target on the files of folders, without a fuzzer, so that every compiler checks the errors found
// before.
//
//   pgtally_fuzz_NAME FOLDER...

#include "fuzz.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

int main(int argc, char** argv)
{
    int played = 0;
    for (int i = 1; i < argc; ++i) {
        for (auto const& file : std::filesystem::directory_iterator{argv[i]}) {
            std::ifstream in{file.path(), std::ios::binary};
            std::string const bytes{std::istreambuf_iterator<char>{in}, {}};
            std::fprintf(stderr, "%s\n", file.path().c_str());
            LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
            ++played;
        }
    }
    std::printf("%d inputs\n", played);
    return played > 0 ? 0 : 1;
}
