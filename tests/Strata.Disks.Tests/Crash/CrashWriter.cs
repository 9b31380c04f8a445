using Strata.Disks.Qcow2;

namespace Strata.Disks.Tests.Crash;

/// <summary>
/// The process that is killed: `dotnet Strata.Disks.Tests.dll IMAGE ROUND` writes to an image until it is. It prints "ready" when the image is open, and
/// after each flush how many operations are done and on stable storage.
/// </summary>
internal static class CrashWriter
{
    public static int Main(string[] arguments)
    {
        if (arguments is not [string path, string round])
        {
            Console.Error.WriteLine("This is a test assembly; run it with dotnet test.");
            return 2;
        }

        using StreamWriter output = new(Console.OpenStandardOutput()) { AutoFlush = true };
        using Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions());
        output.WriteLine("ready");
        for (int number = 0; ; number++)
        {
            CrashOperation operation = CrashOperation.At(int.Parse(round, System.Globalization.CultureInfo.InvariantCulture), number);
            operation.Run(disk);
            if (operation.Kind == CrashOperationKind.Flush)
            {
                output.WriteLine(number + 1);
            }
        }
    }
}
