namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that runs a program as a user who is not root, which root alone can.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OrdinaryUserFactAttribute : FactAttribute
{
    /// <summary>The number that Debian gives to nobody.</summary>
    public const string User = "65534";

    public OrdinaryUserFactAttribute() =>
        Skip = Environment.IsPrivilegedProcess ? HostTools.ReasonToSkip(["setpriv", "dotnet"]) : "Only root can become another user.";
}
