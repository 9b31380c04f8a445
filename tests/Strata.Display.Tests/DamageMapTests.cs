using FsCheck.Fluent;
using Strata.Core.Display;
using Strata.Display.Feed;

namespace Strata.Display.Tests;

public sealed class DamageMapTests
{
    /// <summary>Whatever is marked: the rectangles cover it, stay inside of the picture and do not overlap.</summary>
    [Fact]
    public void Take_AnyRectanglesMarked_CoversThemWithoutOverlap()
    {
        var rectangles = Gen.Choose(-40, 1300).Four().Select(n => new ScreenRectangle(n.Item1, n.Item2, n.Item3 / 3, n.Item4 / 3));
        foreach (ScreenRectangle[] marked in rectangles.ArrayOf(5).Sample(200))
        {
            const int Width = 1201;
            const int Height = 333;
            DamageMap map = new();
            map.Resize(Width, Height);
            foreach (ScreenRectangle rectangle in marked)
            {
                map.Add(rectangle);
            }

            List<ScreenRectangle> taken = [];
            map.Take(taken);

            byte[] covered = new byte[Width * Height];
            foreach (ScreenRectangle rectangle in taken)
            {
                for (int y = rectangle.Y; y < rectangle.Bottom; y++)
                {
                    foreach (ref byte pixel in covered.AsSpan((y * Width) + rectangle.X, rectangle.Width))
                    {
                        pixel++;
                    }
                }
            }

            Assert.DoesNotContain(covered, count => count > 1);
            Assert.All(
                marked.Select(rectangle => rectangle.Intersect(new ScreenRectangle(0, 0, Width, Height))).Where(part => !part.IsEmpty),
                part => Assert.Equal((1, 1), (covered[(part.Y * Width) + part.X], covered[((part.Bottom - 1) * Width) + part.Right - 1])));
            Assert.True(map.IsEmpty);
        }
    }
}
