global using Strata.Disks.Images;
